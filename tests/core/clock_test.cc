#include "core/clock.h"

#include <cstdlib>
#include <ctime>
#include <optional>

#include <gtest/gtest.h>

namespace brevdue {
namespace {

using namespace std::chrono_literals;

// Sets TZ for one test and puts back what was there.
class ClockText : public testing::Test {
 protected:
  ClockText() {
    if (const char* zone = std::getenv("TZ")) before_ = zone;
  }
  ~ClockText() override {
    if (before_) {
      set_zone(before_->c_str());
    } else {
      ::unsetenv("TZ");
      ::tzset();
    }
  }
  static void set_zone(const char* zone) {
    ::setenv("TZ", zone, 1);
    ::tzset();
  }

 private:
  std::optional<std::string> before_;
};

constexpr WallTime morning{1'795'507'200s + 123'456us};  // 2026-11-24 08:00:00.123456 UTC

TEST_F(ClockText, Rfc5322DateInUtc) {
  set_zone("UTC0");
  EXPECT_EQ(rfc5322_date(morning), "Tue, 24 Nov 2026 08:00:00 +0000");
}

TEST_F(ClockText, Rfc3339InUtc) {
  set_zone("UTC0");
  EXPECT_EQ(rfc3339(morning), "2026-11-24T08:00:00.123456+00:00");
}

TEST_F(ClockText, OffsetsOfZonesAreWritten) {
  set_zone("IST-5:30");
  EXPECT_EQ(rfc5322_date(morning), "Tue, 24 Nov 2026 13:30:00 +0530");
  EXPECT_EQ(rfc3339(morning), "2026-11-24T13:30:00.123456+05:30");
  set_zone("NST3:30");
  EXPECT_EQ(rfc5322_date(morning), "Tue, 24 Nov 2026 04:30:00 -0330");
  EXPECT_EQ(rfc3339(morning), "2026-11-24T04:30:00.123456-03:30");
}

TEST_F(ClockText, TimesBeforeTheEpochKeepTheirFraction) {
  set_zone("UTC0");
  EXPECT_EQ(rfc3339(WallTime(-1us)), "1969-12-31T23:59:59.999999+00:00");
}

TEST(SystemClock, SteadyTimeDoesNotGoBack) {
  const SystemClock clock;
  const SteadyTime first = clock.steady();
  EXPECT_GE(clock.steady(), first);
}

TEST(SystemClock, WallTimeIsThatOfTheSystem) {
  const SystemClock clock;
  const auto before =
      std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  const WallTime between = clock.wall();
  EXPECT_GE(between, before);
  EXPECT_LE(between, std::chrono::system_clock::now());
}

}  // namespace
}  // namespace brevdue
