// Logical writers in an event loop, as the queue has them: each sends its next message as soon as
// the last one is durable, and in the same group discards the one before, so that the store is in
// the steady state of a relay that delivers what it takes. With Ageing some messages stay instead.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "bench/store/bench_event_loop.h"
#include "core/clock.h"
#include "queue/committer.h"
#include "queue/store.h"

namespace brevdue::bench {

// Of a hundred messages `percent` stay; from `staying` on, one at random goes for each that stays.
struct Ageing {
  unsigned percent = 0;
  std::size_t staying = 0;
};

class Writers {
 public:
  Writers(queue::Store& store, unsigned count, std::size_t message_size, Ageing ageing = {});

  void start();
  // Runs the loop until at least `count` messages in all are durable; returns how many are.
  std::uint64_t run_until(std::uint64_t count);
  // Sends nothing more, and waits for what is under way.
  void finish();

  std::size_t staying() const { return staying_.size(); }
  std::uint64_t batches() const { return committer_.statistics().batches; }

 private:
  struct Writer {
    queue::Discard last;  // location of the message to be discarded next
    bool has_last = false;
  };
  void send(std::size_t writer);
  void let_go(Writer& writer);

  SystemClock clock_;
  BenchEventLoop loop_;
  queue::Committer committer_;
  std::vector<Writer> writers_;
  const Ageing ageing_;
  std::vector<queue::Discard> staying_;
  std::minstd_rand random_;
  SharedBytes envelope_;
  SharedBytes content_;
  std::uint64_t last_id_ = 0;
  std::uint64_t durable_ = 0;
  bool finishing_ = false;
};

}  // namespace brevdue::bench
