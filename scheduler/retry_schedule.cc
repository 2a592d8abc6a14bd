#include "scheduler/retry_schedule.h"

#include <algorithm>

namespace brevdue::scheduler {

using std::chrono::microseconds;

RetrySchedule::RetrySchedule(RetryOptions options) : options_(options) {
  options_.delay_min = std::max(options_.delay_min, std::chrono::seconds(1));
  options_.delay_max = std::max(options_.delay_max, options_.delay_min);
  options_.jitter = std::clamp(options_.jitter, 0.0, 0.9);
}

microseconds RetrySchedule::delay(std::uint32_t attempts) const {
  microseconds delay = options_.delay_min;
  for (std::uint32_t i = 1; i < attempts && delay < options_.delay_max; ++i) delay *= 2;
  return std::min<microseconds>(delay, options_.delay_max);
}

// The delays that follow the attempts 1 to `attempts`.
microseconds RetrySchedule::sum_of_delays(std::uint32_t attempts) const {
  microseconds sum{0};
  microseconds next = options_.delay_min;
  std::uint32_t i = 0;
  for (; i < attempts && next < options_.delay_max; ++i, next *= 2) sum += next;
  return sum + microseconds(options_.delay_max) * (attempts - i);
}

WallTime RetrySchedule::next_attempt(std::uint32_t attempts, WallTime now,
                                     std::mt19937_64& random) const {
  const auto longest = static_cast<double>(delay(attempts).count());
  std::uniform_real_distribution<double> part(1.0 - options_.jitter, 1.0);
  return now + microseconds(static_cast<std::int64_t>(longest * part(random)));
}

microseconds RetrySchedule::queue_time(WallTime arrival, std::uint32_t attempts,
                                       WallTime now) const {
  // The first attempt follows the arrival at once; n attempts have n - 1 delays between them.
  const microseconds longest = sum_of_delays(attempts == 0 ? 0 : attempts - 1);
  if (now < arrival) {
    return microseconds(
        static_cast<std::int64_t>(static_cast<double>(longest.count()) * (1.0 - options_.jitter)));
  }
  // One more delay is granted, for what an attempt itself takes and for waiting on the window.
  return std::min(now - arrival, longest + options_.delay_max);
}

bool RetrySchedule::expired(WallTime arrival, std::uint32_t attempts, WallTime now,
                            bool null_path) const {
  const auto limit = null_path ? options_.bounce_expire_after : options_.expire_after;
  return queue_time(arrival, attempts, now) >= limit;
}

bool RetrySchedule::delay_notice_due(WallTime arrival, std::uint32_t attempts, WallTime now) const {
  return options_.delay_notice_after.count() > 0 &&
         queue_time(arrival, attempts, now) >= options_.delay_notice_after;
}

WallTime RetrySchedule::expires_at(WallTime arrival, bool null_path) const {
  return arrival + (null_path ? options_.bounce_expire_after : options_.expire_after);
}

WallTime RetrySchedule::clamp_after_restart(WallTime next, WallTime now) const {
  return std::clamp(next, now, now + longest_delay());
}

SteadyTime steady_at(WallTime wall, WallTime wall_now, SteadyTime steady_now) {
  return steady_now + (wall - wall_now);
}

}  // namespace brevdue::scheduler
