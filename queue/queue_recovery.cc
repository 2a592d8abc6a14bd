// The part of Queue that opens the store: at start, and anew after it failed. After a failure the
// index stays; what recovery reports is compared with it, so that a message which a failed batch
// did bring to the disk is adopted, and what was asked for meanwhile is submitted again.
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <utility>

#include <fmt/format.h>

#include "queue/queue.h"

namespace brevdue::queue {

static constexpr std::chrono::milliseconds first_reopen_delay{500};

// Carries what recovery finds from its thread to the loop, in slices, so that the loop goes on, and
// no faster than the loop takes them: what waits between the two is bounded.
class Queue::Collector final : public RecoverySink,
                               public std::enable_shared_from_this<Queue::Collector> {
 public:
  Collector(Queue& queue, bool in_slices)
      : queue_(queue), loop_(queue.loop_), alive_(queue.alive_), in_slices_(in_slices) {}

  void begun() override {
    if (!begun_.exchange(true)) begun_.notify_all();
  }
  void wait_until_begun() const { begun_.wait(false); }

  void message(RecoveredMessage message) override {
    begun();
    ++count;
    messages.push_back(std::move(message));
    if (in_slices_ && messages.size() >= slice) flush();
  }

  void quarantined(Quarantined damage) override {
    begun();
    ++damaged;
    loop_.post([&queue = queue_, alive = alive_, damage = std::move(damage)] {
      if (*alive) queue.log_.error(fmt::format("quarantined {}: {}", damage.where, damage.why));
    });
  }

  // From now on recovery waits for nobody: the loop is about to wait for its end. Loop thread.
  void release() {
    const std::lock_guard lock(mutex_);
    released_ = true;
    taken_.notify_all();
  }

  // What is left of the last slice; a reconciliation takes everything at once.
  void finish() {
    if (in_slices_) flush();
  }

  std::vector<RecoveredMessage> messages;
  std::size_t count = 0;
  std::size_t damaged = 0;

 private:
  static constexpr std::size_t slice = 256;
  static constexpr std::size_t slices_max = 64;

  void flush() {
    {
      std::unique_lock lock(mutex_);
      taken_.wait(lock, [this] { return released_ || waiting_ < slices_max; });
      ++waiting_;
    }
    loop_.post([self = shared_from_this(), found = std::exchange(messages, {})]() mutable {
      if (!*self->alive_) return;
      for (RecoveredMessage& message : found) self->queue_.adopt(std::move(message));
      const std::lock_guard lock(self->mutex_);
      --self->waiting_;
      self->taken_.notify_one();
    });
  }

  Queue& queue_;
  EventLoop& loop_;
  std::shared_ptr<bool> alive_;
  bool in_slices_;
  std::atomic<bool> begun_{false};
  std::mutex mutex_;  // guards what follows
  std::condition_variable taken_;
  std::size_t waiting_ = 0;  // slices
  bool released_ = false;
};

Result<void> Queue::start() {
  if (auto done = staging_.start(); !done) return done;
  if (auto done = open_store(); !done) return done;
  recover_in_background();
  return {};
}

Result<void> Queue::open_store() {
  auto store = factory_();
  if (!store) return propagate(std::move(store.error()));
  if (auto started = (*store)->start(); !started) return started;
  store_ = std::move(*store);
  const auto attend = [this, alive = alive_] {
    if (*alive && store_) store_->attend();
  };
  if (loop_.can_watch()) {
    auto poke = [&loop = loop_, attend] { loop.post(attend); };
    const auto descriptor = store_->begin_attended(std::move(poke));
    if (descriptor) loop_.watch(*descriptor, attend);
  }
  committer_ = std::make_unique<Committer>(*store_, clock_, loop_, options_.committer);
  return {};
}

void Queue::close_store() {
  committer_.reset();
  if (loop_.can_watch()) loop_.unwatch();
  reader_.wait_until_idle();
  // A recovery that has not reached the store would find it gone.
  if (collector_) {
    collector_->wait_until_begun();
    collector_->release();
  }
  store_.reset();
  if (recovery_.joinable()) recovery_.join();
  collector_.reset();
}

void Queue::recover_in_background() {
  recovering_ = true;
  auto found = std::make_shared<Collector>(*this, !failed_);
  collector_ = found;
  recovery_ = std::thread(
      [this, alive = alive_, found, store = store_.get(), round = ++recovery_round_]() mutable {
        Result<void> result = store->recover(*found);
        found->begun();
        if (result) found->finish();
        loop_.post([this, alive = std::move(alive), found = std::move(found),
                    result = std::move(result), round]() mutable {
          // The end of a recovery whose store was given up meanwhile means nothing.
          if (*alive && round == recovery_round_)
            recovery_ended(std::move(found), std::move(result));
        });
      });
}

void Queue::adopt(RecoveredMessage message) {
  auto envelope = mail::decode_envelope(message.envelope.view());
  if (!envelope || envelope->id != message.id) {
    log_.error(fmt::format("{}: its envelope cannot be read; left on the disk", message.id.text()));
    unreadable_.insert(message.id);
    return;
  }
  if (index_.contains(message.id)) return;
  index_.insert(message.id, {.location = message.location, .staged = envelope->content.staged});
  auto queued = std::make_shared<QueuedMessage>();
  queued->id = message.id;
  queued->envelope = std::move(message.envelope);
  queued->state = std::move(message.state);
  queued->size = envelope->content.size;
  queued->recipient_count = static_cast<std::uint32_t>(envelope->recipients.size());
  queued->next_sequence = queued->state.sequence + 1;
  queued->lacks_replies = std::ranges::any_of(
      queued->state.results, [](const auto& result) { return result.reply.empty(); });
  const bool wanted = messages_.has_room() && !queued->lacks_replies;
  if (wanted || !is_short(queued->state)) messages_.put(queued);
  observer_.queued(*queued);
}

void Queue::recovery_ended(std::shared_ptr<Collector> found, Result<void> result) {
  if (recovery_.joinable()) recovery_.join();
  recovering_ = false;
  if (!result) {
    log_.error("recovery: " + describe(result.error()));
    return failed_ ? reopen_later() : store_failed(result.error());
  }
  const std::size_t count = found->count;
  const bool is_damaged = found->damaged > 0;
  if (failed_) reconcile(std::move(found));
  if (!ever_recovered_) {
    ever_recovered_ = true;
    mail::QueueIdSet staged = unreadable_;
    index_.for_each([&](mail::QueueId id, const IndexEntry& entry) {
      if (entry.staged) staged.insert(id);
    });
    if (is_damaged) {
      // One of them may be the content of a message whose record is among what was damaged.
      staging_.set_aside(std::move(staged), [this, alive = alive_](const std::string& line) {
        if (*alive) log_.error(line);
      });
    } else {
      staging_.sweep(std::move(staged));
    }
    observer_.recovered(count);
  }
  if (failed_) reopened();
}

void Queue::reconcile(std::shared_ptr<Collector> found) {
  mail::QueueIdSet present;
  for (RecoveredMessage& message : found->messages) {
    present.insert(message.id);
    auto entry = index_.find(message.id);
    if (!entry) {
      adopt(std::move(message));
      continue;
    }
    entry->location = message.location;
    index_.set(message.id, *entry);
    if (const auto known = messages_.find(message.id)) {
      known->next_sequence = std::max(known->next_sequence, message.state.sequence + 1);
    }
  }
  std::vector<std::pair<mail::QueueId, bool>> missing;
  index_.for_each([&](mail::QueueId id, const IndexEntry& entry) {
    if (!present.contains(id)) missing.emplace_back(id, entry.leaving);
  });
  for (const auto& [id, leaving] : missing) {
    // A discard that was on its way may have reached the disk; anything else is damage.
    if (!leaving) log_.error(id.text() + ": no longer in the store");
    forget(id);
  }
  for (const mail::QueueId id : std::exchange(doubtful_, {})) {
    if (!index_.contains(id) && !unreadable_.contains(id)) staging_.remove(id);
  }
}

void Queue::reopened() {
  failed_ = false;
  reopen_delay_ = first_reopen_delay;
  log_.info(fmt::format("queue is open again with {} messages", index_.size()));
  // Before anything newer can be asked for.
  for (auto& [number, order] : std::exchange(parked_, {})) commit(std::move(order));
  observer_.available();
}

void Queue::store_failed(const Error& error) {
  if (failed_) return;
  failed_ = true;
  ++recovery_round_;  // the end of this store's recovery says nothing about the next one's
  log_.error(
      fmt::format("queue gives up its store: {}; nothing is acknowledged until it is open again",
                  describe(error)));
  observer_.unavailable();
  reopen_later();
}

void Queue::reopen_later() {
  reopen_after(reopen_delay_);
  reopen_delay_ = std::min<std::chrono::milliseconds>(reopen_delay_ * 2, options_.reopen_delay_max);
}

void Queue::reopen_after(std::chrono::milliseconds delay) {
  reopen_timer_ = loop_.run_after(delay, [this, alive = alive_] {
    if (*alive) reopen();
  });
}

void Queue::reopen() {
  // What is in flight is answered first: giving up the store would leave its callers without.
  if (!idle()) return reopen_after(first_reopen_delay);
  close_store();
  if (auto opened = open_store(); !opened) {
    log_.error("queue cannot be opened: " + describe(opened.error()));
    return reopen_later();
  }
  recover_in_background();
}

}  // namespace brevdue::queue
