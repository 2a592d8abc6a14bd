// A MemoryStore whose batches a test can look at and make fail.
#pragma once

#include <atomic>
#include <utility>
#include <vector>

#include "queue/memory_store.h"

namespace brevdue::tests {

struct StoreTap {
  std::vector<queue::Batch> batches;  // that reached the disk
  bool broken = false;                // batches fail as long as it is so
  std::atomic<bool> refuse_reads = false;
  std::atomic<ErrorCode> refusal = ErrorCode::unavailable;
  std::atomic<int> reads_refused = 0;
};

class TappedStore final : public queue::Store {
 public:
  TappedStore(queue::MemoryDisk& disk, StoreTap& tap) : store_(disk), tap_(tap) {}

  Result<void> start() override { return store_.start(); }
  Result<void> recover(queue::RecoverySink& sink) override { return store_.recover(sink); }
  void submit(queue::Batch batch, queue::BatchDone done) override {
    if (tap_.broken) {
      return done(queue::BatchResults(batch.size(), fail(ErrorCode::io_failure, "as asked")));
    }
    tap_.batches.push_back(batch);
    store_.submit(std::move(batch), std::move(done));
  }
  unsigned depth() const override { return 1; }
  Result<SharedBytes> open(mail::QueueId id, const queue::Location& location) override {
    if (refused()) return fail(tap_.refusal, "as asked");
    return store_.open(id, location);
  }
  Result<queue::StoredMessage> look_up(mail::QueueId id, const queue::Location& location) override {
    if (refused()) return fail(tap_.refusal, "as asked");
    return store_.look_up(id, location);
  }
  std::uint64_t room() const override { return store_.room(); }

 private:
  bool refused() {
    if (tap_.refuse_reads) ++tap_.reads_refused;
    return tap_.refuse_reads;
  }

  queue::MemoryStore store_;
  StoreTap& tap_;
};

}  // namespace brevdue::tests
