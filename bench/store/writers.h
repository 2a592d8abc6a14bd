// Logical writers in an event loop, as qmgr has them: each enqueues its next message as soon as the
// last one is durable, and discards in the same turn of the loop what is to go, so that both ride
// in one batch. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "bench/load/latency_histogram.h"
#include "bench/store/named_queue.h"
#include "core/shared_bytes.h"
#include "mail/queue_id.h"

namespace brevdue::bench {

// Of a hundred messages `percent` stay in the queue when they are durable; the others are discarded
// at once. With `most` of them there, one at random goes for each that stays.
struct Staying {
  unsigned percent = 0;
  std::size_t most = std::numeric_limits<std::size_t>::max();
};
// The steady state of a relay that delivers what it takes.
inline constexpr Staying none_stays{.percent = 0};
inline constexpr Staying all_stay{.percent = 100};

class Writers {
 public:
  Writers(NamedQueue& queue, unsigned count, std::size_t message_size, Staying staying);

  void start();
  // Runs the loop until `count` messages in all are durable; returns how many are.
  std::uint64_t run_until(std::uint64_t count);
  // Runs it for a time, or until `count` more messages are durable.
  void run_for(std::chrono::nanoseconds time, std::uint64_t count);
  // Sends nothing more, and waits for what is under way. start() may follow.
  void stop();
  // Discards all that stay. Between stop() and start().
  void discard_staying();

  std::uint64_t durable() const { return durable_; }
  std::size_t staying() const { return staying_.size(); }
  // From enqueueing to the answer, of each message since the last forget_latencies().
  const load::LatencyHistogram& latencies() const { return latencies_; }
  void forget_latencies() { latencies_ = {}; }

 private:
  using Time = std::chrono::steady_clock::time_point;

  void send();
  void is_durable(mail::QueueId id, Time sent);
  void discard(mail::QueueId id);

  NamedQueue& queue_;
  const unsigned count_;
  const Staying policy_;
  std::vector<mail::QueueId> staying_;
  std::minstd_rand random_;
  SharedBytes envelope_;
  SharedBytes content_;
  load::LatencyHistogram latencies_;
  std::uint64_t last_id_ = 0;
  std::uint64_t durable_ = 0;
  std::uint64_t under_way_ = 0;  // enqueues and discards that are not answered
  bool stopping_ = false;
};

}  // namespace brevdue::bench
