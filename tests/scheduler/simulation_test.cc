#include "tests/scheduler/simulation.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace brevdue::scheduler {
namespace {

using namespace std::chrono_literals;
using std::chrono::days;

class SimulationTest : public testing::TestWithParam<std::uint64_t> {
 protected:
  // Mail arrives for seven days; 21 days are enough for all of it to end.
  Simulation::Totals run(SimulationOptions options) {
    options.seed = GetParam();
    Simulation simulation(options);
    simulation.run(days(21));
    for (const std::string& violation : simulation.violations) {
      ADD_FAILURE() << "seed " << options.seed << ": " << violation;
    }
    const auto totals = simulation.totals();
    fmt::print(
        "seed {}: {} relayed, {} failed ({} expired), {} held, {} open, {} attempts, {} twice, {} "
        "crashes, {} restarts, longest wait for a healthy peer {} s\n",
        options.seed, totals.relayed, totals.failed, totals.expired, totals.held, totals.open,
        totals.attempts, totals.duplicates, totals.crashes, totals.restarts,
        std::chrono::duration_cast<std::chrono::seconds>(totals.longest_healthy_wait).count());
    return totals;
  }
};

TEST_P(SimulationTest, WeeksWithEveryKindOfPeerCrashesAndRestarts) {
  const auto totals = run({});
  EXPECT_EQ(totals.open, 0U);
  EXPECT_GT(totals.relayed, 0U);
  EXPECT_GT(totals.expired, 0U);
  EXPECT_TRUE(totals.only_poison_held);
  EXPECT_GT(totals.held, 0U);
  // Nothing waits longer for a healthy peer than a restart takes.
  EXPECT_LE(totals.longest_healthy_wait, 2h + 5min);
  EXPECT_GE(totals.shortest_expiry, days(5));
  EXPECT_LE(totals.longest_expiry, days(5) + 8h);
}

TEST_P(SimulationTest, DeadPeersAndABlastDelayNobodyElse) {
  const auto totals = run({.poison_messages = 0, .restarts = false, .process_crashes = false});
  EXPECT_EQ(totals.open, 0U);
  EXPECT_EQ(totals.held, 0U);
  EXPECT_EQ(totals.duplicates, 0U);
  EXPECT_LE(totals.longest_healthy_wait, 2min);
  // The window adapts to what the peer allows: few of the connections are turned away.
  EXPECT_LT(totals.rejected_connections, totals.attempts / 4);
}

TEST_P(SimulationTest, AClockSetForwardByAYearExpiresNothing) {
  const auto totals = run({.clock_jump = days(365)});
  EXPECT_EQ(totals.open, 0U);
  EXPECT_GE(totals.shortest_expiry, days(5) * 7 / 10);
}

TEST_P(SimulationTest, AClockSetBackByAYearFreezesNothing) {
  const auto totals = run({.clock_jump = -days(365)});
  EXPECT_EQ(totals.open, 0U);
  EXPECT_GE(totals.shortest_expiry, days(4));
  EXPECT_LE(totals.longest_expiry, days(9));
}

TEST(SimulationTest, TheSameSeedGivesTheSameRun) {
  std::size_t attempts[2];
  for (std::size_t& count : attempts) {
    Simulation simulation({.seed = 99, .messages = 200, .blast = 100});
    simulation.run(days(21));
    count = simulation.totals().attempts;
  }
  EXPECT_EQ(attempts[0], attempts[1]);
}

INSTANTIATE_TEST_SUITE_P(Seeds, SimulationTest, testing::Range<std::uint64_t>(1, 4));

}  // namespace
}  // namespace brevdue::scheduler
