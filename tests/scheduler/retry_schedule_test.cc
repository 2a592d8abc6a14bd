#include "scheduler/retry_schedule.h"

#include <gtest/gtest.h>

namespace brevdue::scheduler {
namespace {

using namespace std::chrono_literals;
using std::chrono::days;

const WallTime start{std::chrono::seconds(1'795'000'000)};

class RetryScheduleTest : public testing::Test {
 protected:
  RetrySchedule schedule{RetryOptions{}};
  std::mt19937_64 random{3};
};

TEST_F(RetryScheduleTest, DoublesFromFiveMinutesToSixtySeven) {
  const std::chrono::seconds nominal[] = {300s, 600s, 1200s, 2400s, 4000s, 4000s, 4000s};
  for (std::uint32_t attempt = 1; attempt <= 7; ++attempt) {
    for (int i = 0; i < 100; ++i) {
      const auto delay = schedule.next_attempt(attempt, start, random) - start;
      EXPECT_LE(delay, nominal[attempt - 1]);
      EXPECT_GE(delay, nominal[attempt - 1] * 8 / 10 - 1s);
    }
  }
  EXPECT_LE(schedule.next_attempt(4'000'000'000, start, random) - start, 4000s);
}

TEST_F(RetryScheduleTest, JitterSpreads) {
  const auto one = schedule.next_attempt(1, start, random);
  EXPECT_NE(one, schedule.next_attempt(1, start, random));
}

TEST_F(RetryScheduleTest, ExpiresAfterFiveDaysOfAttempts) {
  WallTime now = start;
  std::uint32_t attempts = 1;
  for (; !schedule.expired(start, attempts, now, false); ++attempts) {
    ASSERT_LT(now - start, days(5) + 2h);
    now = schedule.next_attempt(attempts, now, random);
  }
  EXPECT_GE(now - start, days(5));
}

TEST_F(RetryScheduleTest, AYearForwardExpiresNothing) {
  for (const std::uint32_t attempts : {1U, 2U, 5U, 50U}) {
    EXPECT_FALSE(schedule.expired(start, attempts, start + days(365), false)) << attempts;
  }
  EXPECT_FALSE(schedule.delay_notice_due(start, 1, start + days(365)));
  // But it ends: with enough attempts the message expires although the clock stays wrong.
  EXPECT_TRUE(schedule.expired(start, 120, start + days(365), false));
}

TEST_F(RetryScheduleTest, AYearBackKeepsNothingForEver) {
  EXPECT_FALSE(schedule.expired(start, 5, start - days(365), false));
  EXPECT_TRUE(schedule.expired(start, 150, start - days(365), false));
}

TEST_F(RetryScheduleTest, BouncesHaveTheirOwnLimit) {
  RetryOptions options;
  options.bounce_expire_after = 1h;
  const RetrySchedule shorter(options);
  EXPECT_TRUE(shorter.expired(start, 5, start + 2h, true));
  EXPECT_FALSE(shorter.expired(start, 5, start + 2h, false));
  EXPECT_EQ(shorter.expires_at(start, true), start + 1h);
  EXPECT_EQ(shorter.expires_at(start, false), start + days(5));
}

TEST_F(RetryScheduleTest, DelayNoticeAfterFourHours) {
  EXPECT_FALSE(schedule.delay_notice_due(start, 7, start + 3h));
  EXPECT_TRUE(schedule.delay_notice_due(start, 7, start + 4h));
  RetryOptions options;
  options.delay_notice_after = 0s;
  EXPECT_FALSE(RetrySchedule(options).delay_notice_due(start, 70, start + days(4)));
}

TEST_F(RetryScheduleTest, NextAttemptFromTheDiskIsClamped) {
  EXPECT_EQ(schedule.clamp_after_restart(start + days(365), start), start + 4000s);
  EXPECT_EQ(schedule.clamp_after_restart(start - days(365), start), start);
  EXPECT_EQ(schedule.clamp_after_restart(start + 17min, start), start + 17min);
}

TEST_F(RetryScheduleTest, SteadyTimeOfAWallTime) {
  const SteadyTime steady{5h};
  EXPECT_EQ(steady_at(start + 90s, start, steady), steady + 90s);
  EXPECT_EQ(steady_at(start - 90s, start, steady), steady - 90s);
}

}  // namespace
}  // namespace brevdue::scheduler
