#include "scheduler/concurrency_window.h"

#include <gtest/gtest.h>

namespace brevdue::scheduler {
namespace {

using namespace std::chrono_literals;

class ConcurrencyWindowTest : public testing::Test {
 protected:
  void succeed(unsigned times) {
    for (unsigned i = 0; i < times; ++i) window.success(options, window.size());
  }
  void fail(unsigned times) {
    for (unsigned i = 0; i < times; ++i) window.failure(options, now, random);
  }

  WindowOptions options;
  std::mt19937_64 random{1};
  SteadyTime now{1h};
  ConcurrencyWindow window{options};
};

TEST_F(ConcurrencyWindowTest, GrowsByOneSlotAfterAWindowOfSuccesses) {
  EXPECT_EQ(window.size(), 5U);
  succeed(4);
  EXPECT_EQ(window.size(), 5U);
  succeed(1);
  EXPECT_EQ(window.size(), 6U);
  succeed(6);
  EXPECT_EQ(window.size(), 7U);
}

TEST_F(ConcurrencyWindowTest, NeverGrowsAboveTheMaximum) {
  succeed(10'000);
  EXPECT_EQ(window.size(), 20U);
}

TEST_F(ConcurrencyWindowTest, DoesNotGrowWhileItIsNotUsed) {
  for (int i = 0; i < 1000; ++i) window.success(options, 0);
  EXPECT_EQ(window.size(), 5U);
}

TEST_F(ConcurrencyWindowTest, ShrinksOnTheFirstFailureAndThenAfterAWindowOfThem) {
  succeed(10'000);
  fail(1);
  EXPECT_EQ(window.size(), 19U);
  for (int i = 0; i < 18; ++i) {
    succeed(1);
    fail(1);
  }
  EXPECT_EQ(window.size(), 19U);
  fail(1);
  EXPECT_EQ(window.size(), 18U);
}

TEST_F(ConcurrencyWindowTest, DiesAfterACohortOfFailuresInARow) {
  fail(4);
  EXPECT_FALSE(window.dead());
  for (int i = 0; i < 5; ++i) fail(1);
  EXPECT_TRUE(window.dead());
  EXPECT_FALSE(window.suspended());
  EXPECT_FALSE(window.may_start(0));
  EXPECT_GE(window.dead_until(), now + 48s);
  EXPECT_LE(window.dead_until(), now + 60s);
}

TEST_F(ConcurrencyWindowTest, OneProbeDecides) {
  fail(20);
  window.start_probe();
  EXPECT_EQ(window.size(), 1U);
  EXPECT_TRUE(window.may_start(0));
  EXPECT_FALSE(window.may_start(1));
  fail(1);
  EXPECT_TRUE(window.suspended());
  window.start_probe();
  window.success(options, 1);
  EXPECT_FALSE(window.dead());
  EXPECT_EQ(window.size(), 5U);
  EXPECT_TRUE(window.pristine(options));
}

TEST_F(ConcurrencyWindowTest, BackOffDoublesUpToItsMaximum) {
  fail(20);
  SteadyTime::duration longest{};
  for (int i = 0; i < 300; ++i) {
    now = window.dead_until();
    window.start_probe();
    fail(1);
    longest = std::max(longest, window.dead_until() - now);
    EXPECT_LE(window.dead_until() - now, 4000s);
  }
  EXPECT_GE(longest, 3200s);
}

TEST_F(ConcurrencyWindowTest, AMaximumOfOneStillWorks) {
  options.max = 1;
  ConcurrencyWindow narrow(options);
  EXPECT_EQ(narrow.size(), 1U);
  for (int i = 0; i < 100; ++i) narrow.success(options, 1);
  EXPECT_EQ(narrow.size(), 1U);
}

}  // namespace
}  // namespace brevdue::scheduler
