// A MemoryStore that answers from a thread of its own after random pauses, and gives out places
// that are not those of another store object nor of the same id before: a stale one is noticed.
#pragma once

#include <atomic>
#include <chrono>
#include <cstring>
#include <random>
#include <thread>
#include <unordered_map>

#include "queue/memory_store.h"
#include "queue/worker.h"

namespace brevdue::tests {

// Of one disk; outlives the stores made on it.
struct ThreadedDisk {
  queue::MemoryDisk memory;
  std::atomic<unsigned> stale = 0;         // places that were not the message's
  std::atomic<unsigned> duplicates = 0;    // ids that were there already
  std::atomic<bool> failing = false;       // each batch fails
  std::atomic<std::uint64_t> damaged = 0;  // cannot be read until it is written again
  std::atomic<std::uint64_t> older = 0;    // its state cannot be read
  std::atomic<ErrorCode> damage = ErrorCode::corrupt;
  std::atomic<bool> refusing_settles = false;
  std::atomic<std::uint32_t> next_place = 1;

  bool contains(mail::QueueId id) {
    const std::lock_guard lock(memory.mutex);
    return memory.messages.contains(id);
  }
};

class ThreadedStore final : public queue::Store {
 public:
  ThreadedStore(ThreadedDisk& disk, unsigned seed)
      : disk_(disk), memory_(disk.memory), random_(seed) {}

  Result<void> start() override { return memory_.start(); }
  Result<void> recover(queue::RecoverySink& sink) override {
    struct Stamping final : queue::RecoverySink {
      Stamping(ThreadedStore& stamping, queue::RecoverySink& asking)
          : store(stamping), to(asking) {}
      void message(queue::RecoveredMessage one) override {
        one.location = store.place(one.id);
        to.message(std::move(one));
      }
      void quarantined(queue::Quarantined one) override { to.quarantined(std::move(one)); }
      ThreadedStore& store;
      queue::RecoverySink& to;
    } stamping(*this, sink);
    return memory_.recover(stamping);
  }
  void submit(queue::Batch batch, queue::BatchDone done) override {
    thread_.push([this, batch = std::move(batch), done = std::move(done)]() mutable {
      std::this_thread::sleep_for(std::chrono::microseconds(random_() % 200));
      if (disk_.failing) {
        return done(queue::BatchResults(batch.size(), fail(ErrorCode::io_failure, "disk")));
      }
      for (const queue::Mutation& mutation : batch) check(mutation);
      memory_.submit(batch, [&](queue::BatchResults results) {
        for (std::size_t i = 0; i < batch.size(); ++i) {
          finish(batch[i], results[i]);
          if (disk_.refusing_settles && std::holds_alternative<queue::Settle>(batch[i])) {
            results[i] = fail(ErrorCode::not_found, "settle");
          }
        }
        done(std::move(results));
      });
    });
  }
  unsigned depth() const override { return 2; }
  Result<SharedBytes> open(mail::QueueId id, const queue::Location& at) override {
    if (!is_at(id, at)) return fail(ErrorCode::not_found, id.text());
    if (disk_.damaged == id.value()) return fail(disk_.damage, id.text());
    return memory_.open(id, plain(id));
  }
  Result<queue::StoredMessage> look_up(mail::QueueId id, const queue::Location& at) override {
    if (!is_at(id, at)) return fail(ErrorCode::not_found, id.text());
    auto stored = memory_.look_up(id, plain(id));
    if (stored && disk_.older == id.value()) {
      stored->state = {};
      stored->state_is_older = true;
    }
    return stored;
  }
  std::uint64_t room() const override { return memory_.room(); }

 private:
  static queue::Location plain(mail::QueueId id) {
    queue::Location location;
    const std::uint64_t value = id.value();
    std::memcpy(location.bytes.data(), &value, sizeof value);
    return location;
  }
  queue::Location place(mail::QueueId id) {
    queue::Location location = plain(id);
    const std::uint32_t stamp = disk_.next_place++;
    std::memcpy(location.bytes.data() + 8, &stamp, sizeof stamp);
    const std::lock_guard lock(mutex_);
    places_[id] = location;
    return location;
  }
  bool is_at(mail::QueueId id, const queue::Location& location) {
    const std::lock_guard lock(mutex_);
    const auto at = places_.find(id);
    return at != places_.end() && at->second == location;
  }
  void check(const queue::Mutation& mutation) {
    if (const auto* enqueue = std::get_if<queue::Enqueue>(&mutation)) {
      disk_.duplicates += disk_.contains(enqueue->id) ? 1 : 0;
    } else if (const auto* settle = std::get_if<queue::Settle>(&mutation)) {
      disk_.stale += is_at(settle->id, settle->location) ? 0 : 1;
    } else {
      const auto& discard = std::get<queue::Discard>(mutation);
      disk_.stale += is_at(discard.id, discard.location) ? 0 : 1;
    }
  }
  void finish(const queue::Mutation& mutation, Result<queue::Location>& result) {
    if (const auto* enqueue = std::get_if<queue::Enqueue>(&mutation)) {
      if (disk_.damaged == enqueue->id.value()) disk_.damaged = 0;
      if (result) result = place(enqueue->id);
    } else if (const auto* discard = std::get_if<queue::Discard>(&mutation)) {
      const std::lock_guard lock(mutex_);
      places_.erase(discard->id);
    }
  }

  ThreadedDisk& disk_;
  queue::MemoryStore memory_;
  std::minstd_rand random_;
  std::mutex mutex_;
  std::unordered_map<mail::QueueId, queue::Location> places_;
  queue::Worker thread_;
};

}  // namespace brevdue::tests
