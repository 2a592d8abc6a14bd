#include "core/clock.h"

#include <ctime>

#include <fmt/format.h>

namespace brevdue {

WallTime SystemClock::wall() const {
  return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
}

SteadyTime SystemClock::steady() const {
  return std::chrono::steady_clock::now();
}

namespace {
struct LocalTime {
  std::tm fields{};
  long micros;
  char offset_sign;
  long offset_hours;
  long offset_minutes;
};

LocalTime local_time(WallTime time) {
  LocalTime local;
  const auto since_epoch = time.time_since_epoch().count();
  auto seconds = static_cast<std::time_t>(since_epoch / 1'000'000);
  local.micros = static_cast<long>(since_epoch % 1'000'000);
  if (local.micros < 0) {
    local.micros += 1'000'000;
    --seconds;
  }
  localtime_r(&seconds, &local.fields);
  const long offset = local.fields.tm_gmtoff;
  local.offset_sign = offset < 0 ? '-' : '+';
  const long magnitude = offset < 0 ? -offset : offset;
  local.offset_hours = magnitude / 3600;
  local.offset_minutes = magnitude % 3600 / 60;
  return local;
}
}  // namespace

std::string rfc5322_date(WallTime time) {
  static constexpr const char* days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                           "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const LocalTime t = local_time(time);
  return fmt::format("{}, {} {} {} {:02}:{:02}:{:02} {}{:02}{:02}", days[t.fields.tm_wday],
                     t.fields.tm_mday, months[t.fields.tm_mon], 1900 + t.fields.tm_year,
                     t.fields.tm_hour, t.fields.tm_min, t.fields.tm_sec, t.offset_sign,
                     t.offset_hours, t.offset_minutes);
}

std::string rfc3339(WallTime time) {
  const LocalTime t = local_time(time);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}{}{:02}:{:02}",
                     1900 + t.fields.tm_year, t.fields.tm_mon + 1, t.fields.tm_mday,
                     t.fields.tm_hour, t.fields.tm_min, t.fields.tm_sec, t.micros, t.offset_sign,
                     t.offset_hours, t.offset_minutes);
}

}  // namespace brevdue
