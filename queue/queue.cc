#include "queue/queue.h"

#include <utility>

#include <fmt/format.h>

namespace brevdue::queue {

namespace {
// After a DSN found no room.
constexpr std::chrono::seconds notice_delay{1};

bool is_store_failure(ErrorCode code) {
  return code == ErrorCode::io_failure || code == ErrorCode::unavailable ||
         code == ErrorCode::storage_full || code == ErrorCode::permission;
}

Enqueue as_mutation(const NewMessage& message) {
  return Enqueue{message.id, message.envelope, message.content};
}
}  // namespace

Queue::Queue(QueueOptions options, StoreFactory factory, FileSystem& files, const Clock& clock,
             EventLoop& loop, const Log& log, QueueObserver& observer)
    : options_(std::move(options)),
      factory_(std::move(factory)),
      clock_(clock),
      loop_(loop),
      log_(log),
      observer_(observer),
      messages_(options_.message_cache_bytes),
      cache_(options_.content_cache_bytes),
      staging_(files, options_.sides, loop) {}

Queue::~Queue() {
  *alive_ = false;
  loop_.cancel(reopen_timer_);
  close_store();
}

void Queue::enqueue(NewMessage message, Done done) {
  if (!is_available()) {
    if (message.staged) staging_.remove(message.id);
    return done(fail(ErrorCode::unavailable, "queue"));
  }
  if (index_.contains(message.id) || !enqueueing_.insert(message.id).second) {
    return done(fail(ErrorCode::already_exists, message.id.text()));
  }
  Batch group;
  group.emplace_back(as_mutation(message));
  committer_->submit(std::move(group), [this, message = std::move(message),
                                        done = std::move(done)](BatchResults results) mutable {
    Result<Location>& result = results.front();
    enqueueing_.erase(message.id);
    if (result) {
      take_in(message, *result);
      return done({});
    }
    const Error error = std::move(result.error());
    const bool broken = error.code == ErrorCode::io_failure || error.code == ErrorCode::unavailable;
    if (message.staged && broken) {
      doubtful_.push_back(message.id);
    } else if (message.staged) {
      staging_.remove(message.id);
    }
    done(std::unexpected(error));
    if (broken) store_failed(error);
  });
}

void Queue::take_in(NewMessage& message, Location location) {
  index_.insert(message.id, {.location = location, .staged = message.staged});
  auto queued = std::make_shared<QueuedMessage>();
  queued->id = message.id;
  queued->envelope = std::move(message.envelope);
  queued->size = message.size;
  queued->recipient_count = message.recipient_count;
  cache_.put(message.id, message.content);
  messages_.put(queued);
  observer_.queued(*queued);
}

void Queue::settle(mail::QueueId id, mail::Settlement delta, std::vector<NewMessage> notices,
                   Done done) {
  if (const auto message = messages_.find(id)) {
    return change(*message, std::move(delta), std::move(notices), std::move(done));
  }
  load(id, [this, id, delta = std::move(delta), notices = std::move(notices),
            done = std::move(done)](Result<MessagePtr> message) mutable {
    if (!message) return done(std::unexpected(std::move(message.error())));
    settle(id, std::move(delta), std::move(notices), std::move(done));
  });
}

void Queue::change(QueuedMessage& message, mail::Settlement delta, std::vector<NewMessage> notices,
                   Done done) {
  delta.sequence = message.next_sequence++;
  message.state.apply(delta);
  messages_.resized(message.id);
  cache_.erase(message.id);
  std::optional<mail::Settlement> whole;
  if (is_short(message.state) && !message.lacks_replies) whole = as_settlement(message.state);
  commit({message.id, messages_.find(message.id), std::move(delta), std::move(whole),
          std::move(notices), std::move(done), ++orders_});
}

void Queue::discard(mail::QueueId id, std::vector<NewMessage> notices, Done done) {
  auto entry = index_.find(id);
  if (!entry || entry->leaving) return done(fail(ErrorCode::not_found, id.text()));
  entry->leaving = true;
  index_.set(id, *entry);
  commit({id, nullptr, Discarding{}, {}, std::move(notices), std::move(done), ++orders_});
}

bool Queue::stays(mail::QueueId id) const {
  const auto entry = index_.find(id);
  return entry && !entry->leaving;
}

void Queue::commit(Order order) {
  if (!is_available()) {
    parked_.emplace(order.number, std::move(order));
    return;
  }
  const auto entry = index_.find(order.id);
  // A discard that reached the disk before the store failed: what was asked for holds.
  if (!entry) return order.done({});
  if (const auto waiting = behind_.find(order.id); waiting != behind_.end()) {
    waiting->second.push_back(std::move(order));
    return;
  }
#ifdef BREVDUE_MUTANT_QUEUE_LATE_NOTICE
  if (!order.notices.empty()) {
    order.done = [this, late = std::exchange(order.notices, {}),
                  done = std::move(order.done)](Result<void> result) mutable {
      for (NewMessage& notice : late) enqueue(std::move(notice), [](Result<void>) {});
      done(std::move(result));
    };
  }
#endif
  // A DSN that a failed batch did bring to the disk is not enqueued again.
  std::erase_if(order.notices, [&](const auto& notice) { return index_.contains(notice.id); });
  if (!order.notices.empty()) {
    behind_.try_emplace(order.id);
    return commit_notices_first(std::move(order));
  }
  Batch group;
  if (const auto* settlement = std::get_if<mail::Settlement>(&order.change)) {
    group.emplace_back(Settle{order.id, entry->location, *settlement, std::move(order.whole)});
  } else {
    group.emplace_back(Discard{order.id, entry->location});
  }
  committer_->submit(std::move(group),
                     [this, order = std::move(order)](BatchResults results) mutable {
                       committed(std::move(order), std::move(results));
                     });
}

// In one batch the store might find no room for the DSN and still take the change, whatever room()
// said before: then only memory would have the DSN.
void Queue::commit_notices_first(Order order) {
  std::erase_if(order.notices, [&](const auto& notice) { return index_.contains(notice.id); });
  if (order.notices.empty()) return notices_are_durable(std::move(order));
  NewMessage notice = order.notices.back();
  enqueue(std::move(notice), [this, order = std::move(order)](Result<void> result) mutable {
    if (result) return commit_notices_first(std::move(order));
    // The message it answers stays queued until there is room for its DSN.
    loop_.run_after(notice_delay, [this, alive = alive_, order = std::move(order)]() mutable {
      if (*alive) commit_notices_first(std::move(order));
    });
  });
}

void Queue::notices_are_durable(Order order) {
  auto waiting = behind_.extract(order.id);
  commit(std::move(order));
  for (Order& next : waiting.mapped()) commit(std::move(next));
}

void Queue::committed(Order order, BatchResults results) {
  Result<Location> result = std::move(results.back());
  if (!result && is_store_failure(result.error().code)) {
    const Error error = result.error();
    // What is submitted again must not undo a later one that did reach the disk.
    order.whole.reset();
    parked_.emplace(order.number, std::move(order));
    return store_failed(error);
  }
  if (!result) {
    log_.error(order.id.text() + ": " + describe(result.error()));
  }
  if (std::holds_alternative<Discarding>(order.change)) {
    forget(order.id);
  } else if (auto entry = index_.find(order.id); entry && result) {
    entry->location = *result;
    index_.set(order.id, *entry);
  }
  order.done({});
}

void Queue::forget(mail::QueueId id) {
  const auto entry = index_.find(id);
  if (!entry) return;
  if (entry->staged) staging_.remove(id);
  cache_.erase(id);
  messages_.erase(id);
  index_.erase(id);
}

CommitterStatistics Queue::statistics() const {
  return committer_ ? committer_->statistics() : CommitterStatistics();
}

}  // namespace brevdue::queue
