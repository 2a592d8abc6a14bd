// Time as the program sees it, so that tests and the simulation can set it.
//
// Wall time (microseconds since the epoch) is what goes to disk and to people; it may jump. Steady
// time is for intervals; it never goes back. Thread-safe.
#pragma once

#include <chrono>
#include <string>

namespace brevdue {

using WallTime = std::chrono::sys_time<std::chrono::microseconds>;
using SteadyTime = std::chrono::steady_clock::time_point;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual WallTime wall() const = 0;
  virtual SteadyTime steady() const = 0;
};

class SystemClock final : public Clock {
 public:
  WallTime wall() const override;
  SteadyTime steady() const override;
};

// RFC 5322 date-time ("Tue, 24 Nov 2026 08:00:00 +0000") and RFC 3339 with microseconds, in the
// local time zone of the process.
std::string rfc5322_date(WallTime time);
std::string rfc3339(WallTime time);

}  // namespace brevdue
