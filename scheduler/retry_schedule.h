// When a message is tried again, when it expires, and when its sender is told of the delay.
//
// Delays double from delay_min to delay_max; each is shortened at random by up to `jitter` of
// itself, so that messages deferred together do not return together. The next attempt is a wall
// time, because that is what the disk holds; while the program runs, intervals are steady time.
//
// The clock may be wrong. A message is aged by `queue_time`: wall time since arrival, but at most
// the sum of the longest delays between the attempts that really ended (so a clock set forward by
// a year, or a month spent switched off, expires nothing), and where the clock stands before the
// arrival, the sum of the shortest delays (so a clock set back by a year keeps nothing for ever).
// Nothing expires but at the end of an attempt: expired() is asked then and only then.
//
// Pure; the caller owns the random engine.
#pragma once

#include <chrono>
#include <cstdint>
#include <random>

#include "core/clock.h"

namespace brevdue::scheduler {

struct RetryOptions {
  std::chrono::seconds delay_min{300};
  std::chrono::seconds delay_max{4000};
  std::chrono::seconds expire_after{5 * 24 * 3600};
  std::chrono::seconds bounce_expire_after{5 * 24 * 3600};  // null reverse-path
  std::chrono::seconds delay_notice_after{4 * 3600};        // 0: never
  double jitter = 0.2;                                      // [0, 0.9]
};

class RetrySchedule {
 public:
  explicit RetrySchedule(RetryOptions options);

  // `attempts` counts those that have ended, this one included (1 after the first).
  WallTime next_attempt(std::uint32_t attempts, WallTime now, std::mt19937_64& random) const;
  // No delay is longer than this.
  std::chrono::microseconds longest_delay() const { return options_.delay_max; }

  std::chrono::microseconds queue_time(WallTime arrival, std::uint32_t attempts,
                                       WallTime now) const;
  bool expired(WallTime arrival, std::uint32_t attempts, WallTime now, bool null_path) const;
  bool delay_notice_due(WallTime arrival, std::uint32_t attempts, WallTime now) const;
  // What a delayed DSN says as Will-Retry-Until.
  WallTime expires_at(WallTime arrival, bool null_path) const;

  // A next attempt read from the disk: never later than one longest delay from now, whatever the
  // clock did meanwhile; one in the past is due at once.
  WallTime clamp_after_restart(WallTime next, WallTime now) const;

 private:
  std::chrono::microseconds delay(std::uint32_t attempts) const;
  std::chrono::microseconds sum_of_delays(std::uint32_t attempts) const;

  RetryOptions options_;
};

// The steady time at which the wall clock, if nobody moves it, shows `wall`.
SteadyTime steady_at(WallTime wall, WallTime wall_now, SteadyTime steady_now);

}  // namespace brevdue::scheduler
