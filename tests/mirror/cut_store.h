// A store in memory whose power can be cut: of each batch that was not answered by then any part
// may be on the disk that a batch may leave, what it adds before what it removes. From the cut on
// everything fails.
#pragma once

#include <chrono>
#include <cstring>
#include <mutex>
#include <random>
#include <thread>
#include <unordered_map>

#include "queue/memory_store.h"
#include "queue/worker.h"

namespace brevdue::tests {

class CutDisk {
 public:
  void power_on() {
    const std::lock_guard lock(memory_.mutex);
    is_cut_ = false;
  }
  // Under the lock no batch is half applied: what a cut leaves of one is drawn from `seed`.
  void cut(unsigned seed) {
    const std::lock_guard lock(memory_.mutex);
    is_cut_ = true;
    random_.seed(seed);
  }
  void clear() {
    const std::lock_guard lock(memory_.mutex);
    memory_.messages.clear();
  }

 private:
  friend class CutStore;
  queue::MemoryDisk memory_;
  bool is_cut_ = false;        // guarded by the memory's mutex
  std::minstd_rand random_{};  // as well
};

class CutStore final : public queue::Store {
 public:
  CutStore(CutDisk& disk, unsigned seed) : disk_(disk), memory_(disk.memory_), random_(seed) {}

  Result<void> start() override { return memory_.start(); }
  Result<void> recover(queue::RecoverySink& sink) override { return memory_.recover(sink); }
  void submit(queue::Batch batch, queue::BatchDone done) override {
    thread_.push([this, batch = std::move(batch), done = std::move(done)]() mutable {
      if (random_() % 2 == 0) {
        std::this_thread::sleep_for(std::chrono::microseconds(random_() % 150));
      }
      if (leave_a_part(batch)) {
        return done(queue::BatchResults(batch.size(), fail(ErrorCode::io_failure, "power cut")));
      }
      queue::BatchResults results;
      memory_.submit(std::move(batch),
                     [&](queue::BatchResults found) { results = std::move(found); });
      // It is on the disk; whether anybody hears of it is another matter.
      done(std::move(results));
    });
  }
  unsigned depth() const override { return 2; }
  Result<SharedBytes> open(mail::QueueId id, const queue::Location& at) override {
    return memory_.open(id, at);
  }
  Result<queue::StoredMessage> look_up(mail::QueueId id, const queue::Location& at) override {
    return memory_.look_up(id, at);
  }
  std::uint64_t room() const override { return memory_.room(); }

 private:
  // Once the power is gone; only of the first batch: the store has failed with it.
  bool leave_a_part(const queue::Batch& batch) {
    std::unique_lock lock(disk_.memory_.mutex);
    if (!disk_.is_cut_) return false;
    if (std::exchange(has_failed_, true)) return true;
    const auto kept = disk_.random_() % (batch.size() + 1);
    lock.unlock();
    queue::Batch part;
    for (const queue::Mutation& mutation : batch) {
      if (part.size() < kept && !std::holds_alternative<queue::Discard>(mutation)) {
        part.push_back(mutation);
      }
    }
    for (const queue::Mutation& mutation : batch) {
      if (part.size() < kept && std::holds_alternative<queue::Discard>(mutation)) {
        part.push_back(mutation);
      }
    }
    memory_.submit(std::move(part), [](const queue::BatchResults&) {});
    return true;
  }

  CutDisk& disk_;
  queue::MemoryStore memory_;
  std::minstd_rand random_;
  bool has_failed_ = false;
  queue::Worker thread_;
};

}  // namespace brevdue::tests
