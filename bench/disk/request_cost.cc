#include "bench/disk/request_cost.h"

#include <cerrno>

#include <sys/prctl.h>
#include <time.h>

namespace brevdue::disk {

std::chrono::nanoseconds RequestCost::of(Request request, std::uint64_t bytes) const {
  const auto fixed = request == Request::read ? read : request == Request::write ? write : flush;
  if (bytes_per_second == 0 || request == Request::flush) return fixed;
  const double seconds = static_cast<double>(bytes) / static_cast<double>(bytes_per_second);
  return fixed + std::chrono::nanoseconds(static_cast<std::int64_t>(seconds * 1e9));
}

bool request_exact_wakeups() {
  return ::prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL) == 0;
}

void wait_until(std::chrono::steady_clock::time_point deadline) {
  constexpr std::chrono::microseconds spin(30);
  const auto wake = (deadline - spin).time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(wake);
  timespec at{};
  at.tv_sec = seconds.count();
  at.tv_nsec = std::chrono::nanoseconds(wake - seconds).count();
  while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr) == EINTR) {
  }
  while (std::chrono::steady_clock::now() < deadline) {
  }
}

}  // namespace brevdue::disk
