// The part of Queue that opens the store: at start, and anew after it failed. After a failure the
// index stays; what recovery reports is compared with it, so that a message which a failed batch
// did bring to the disk is adopted, and what was asked for meanwhile is submitted again.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "queue/queue.h"

namespace brevdue::queue {

// Carries what recovery finds from its thread to the loop, in slices, so that the loop goes on.
class Queue::Collector final : public RecoverySink,
                               public std::enable_shared_from_this<Queue::Collector> {
 public:
  Collector(Queue& queue, bool in_slices)
      : queue_(queue), loop_(queue.loop_), alive_(queue.alive_), in_slices_(in_slices) {}

  void message(RecoveredMessage message) override {
    ++count;
    messages.push_back(std::move(message));
    if (in_slices_ && messages.size() >= slice) flush();
  }

  void quarantined(Quarantined damage) override {
    loop_.post([&queue = queue_, alive = alive_, damage = std::move(damage)] {
      if (*alive) queue.log_.error(fmt::format("quarantined {}: {}", damage.where, damage.why));
    });
  }

  // What is left of the last slice; a reconciliation takes everything at once.
  void finish() {
    if (in_slices_) flush();
  }

  std::vector<RecoveredMessage> messages;
  std::size_t count = 0;

 private:
  static constexpr std::size_t slice = 256;

  void flush() {
    loop_.post([&queue = queue_, alive = alive_, found = std::exchange(messages, {})]() mutable {
      if (!*alive) return;
      for (RecoveredMessage& message : found) queue.adopt(std::move(message));
    });
  }

  Queue& queue_;
  EventLoop& loop_;
  std::shared_ptr<bool> alive_;
  bool in_slices_;
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
  committer_ = std::make_unique<Committer>(*store_, clock_, loop_, options_.committer);
  return {};
}

void Queue::close_store() {
  committer_.reset();
  reader_.wait_until_idle();
  store_.reset();
  if (recovery_.joinable()) recovery_.join();
}

void Queue::recover_in_background() {
  recovering_ = true;
  auto found = std::make_shared<Collector>(*this, !ever_recovered_);
  recovery_ = std::thread(
      [this, alive = alive_, found, store = store_.get(), round = ++recovery_round_]() mutable {
        Result<void> result = store->recover(*found);
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
    return;
  }
  if (index_.contains(message.id)) return;
  QueuedMessage& queued = index_[message.id];
  queued.id = message.id;
  queued.location = message.location;
  queued.envelope = std::move(message.envelope);
  queued.state = std::move(message.state);
  queued.size = envelope->content.size;
  queued.recipient_count = static_cast<std::uint32_t>(envelope->recipients.size());
  queued.next_sequence = queued.state.sequence + 1;
  queued.staged = envelope->content.staged;
  observer_.queued(queued);
}

void Queue::recovery_ended(std::shared_ptr<Collector> found, Result<void> result) {
  if (recovery_.joinable()) recovery_.join();
  recovering_ = false;
  if (!result) {
    log_.error("recovery: " + describe(result.error()));
    return store_failed(result.error());
  }
  if (ever_recovered_) {
    reconcile(std::move(found));
    return reopened();
  }
  ever_recovered_ = true;
  std::unordered_set<mail::QueueId> staged;
  for (const auto& [id, message] : index_) {
    if (message.staged) staged.insert(id);
  }
  staging_.sweep(std::move(staged));
  observer_.recovered(found->count);
  if (failed_) reopened();
}

void Queue::reconcile(std::shared_ptr<Collector> found) {
  std::unordered_set<mail::QueueId> present;
  for (RecoveredMessage& message : found->messages) {
    present.insert(message.id);
    const auto at = index_.find(message.id);
    if (at == index_.end()) {
      adopt(std::move(message));
      continue;
    }
    at->second.location = message.location;
    at->second.next_sequence = std::max(at->second.next_sequence, message.state.sequence + 1);
  }
  std::vector<mail::QueueId> missing;
  for (const auto& [id, message] : index_) {
    if (!present.contains(id)) missing.push_back(id);
  }
  for (const mail::QueueId id : missing) {
    // A discard that was on its way may have reached the disk; anything else is damage.
    if (!index_.at(id).discarding) log_.error(id.text() + ": no longer in the store");
    forget(id);
  }
}

void Queue::reopened() {
  failed_ = false;
  reopen_delay_ = std::chrono::milliseconds(500);
  log_.info(fmt::format("queue is open again with {} messages", index_.size()));
  observer_.available();
  for (EventLoop::Task& task : std::exchange(parked_, {})) task();
}

void Queue::wait_for_store(EventLoop::Task task) {
  parked_.push_back(std::move(task));
}

void Queue::store_failed(const Error& error) {
  if (failed_) return;
  failed_ = true;
  log_.error(
      fmt::format("queue gives up its store: {}; nothing is acknowledged until it is open again",
                  describe(error)));
  observer_.unavailable();
  reopen_later();
}

void Queue::reopen_later() {
  reopen_timer_ = loop_.run_after(reopen_delay_, [this, alive = alive_] {
    if (*alive) reopen();
  });
  reopen_delay_ = std::min<std::chrono::milliseconds>(reopen_delay_ * 2, options_.reopen_delay_max);
}

void Queue::reopen() {
  close_store();
  if (auto opened = open_store(); !opened) {
    log_.error("queue cannot be opened: " + describe(opened.error()));
    return reopen_later();
  }
  recover_in_background();
}

}  // namespace brevdue::queue
