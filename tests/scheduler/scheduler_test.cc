#include "scheduler/scheduler.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace brevdue::scheduler {
namespace {

using mail::QueueId;
using namespace std::chrono_literals;

class SchedulerTest : public testing::Test {
 protected:
  void add(std::uint64_t id, std::string_view destination, SteadyTime due,
           std::string_view sender = "a@a", std::uint32_t count = 1, std::uint32_t suspect = 0) {
    ASSERT_TRUE(scheduler.add({.message = QueueId(id),
                               .destination = destination,
                               .count = count,
                               .due = due,
                               .reverse_path = sender,
                               .suspect = suspect}));
  }
  std::vector<std::uint64_t> ids(const std::vector<Job>& jobs) {
    std::vector<std::uint64_t> ids;
    for (const Job& job : jobs) ids.push_back(job.message.value());
    return ids;
  }
  // Makes a destination dead by failing what is asked of it.
  void kill(std::string_view destination) {
    for (std::uint64_t id = 1'000'000; scheduler.state_of(destination).value().window != 0; ++id) {
      add(id, destination, now);
      const auto jobs = scheduler.take(100, now);
      ASSERT_FALSE(jobs.empty());
      for (const Job& job : jobs) {
        scheduler.report(job, Outcome::destination_failed, now + 30 * 24h, now);
      }
    }
  }

  std::mt19937_64 random{5};
  SteadyTime now{100h};
  Scheduler scheduler{{}, random};
};

TEST_F(SchedulerTest, NothingIsTakenBeforeItIsDue) {
  EXPECT_FALSE(scheduler.next_due());
  add(1, "a", now + 10s);
  EXPECT_EQ(scheduler.next_due(), now + 10s);
  EXPECT_TRUE(scheduler.take(10, now + 9s).empty());
  EXPECT_EQ(ids(scheduler.take(10, now + 10s)), std::vector<std::uint64_t>{1});
  EXPECT_FALSE(scheduler.next_due());
}

TEST_F(SchedulerTest, SettledIsGoneAndDeferredComesBack) {
  add(1, "a", now);
  add(2, "a", now);
  const auto jobs = scheduler.take(10, now);
  ASSERT_EQ(jobs.size(), 2U);
  EXPECT_EQ(scheduler.name_of(jobs[0].destination), "a");
  scheduler.report(jobs[0], Outcome::answered, std::nullopt, now);
  scheduler.report(jobs[1], Outcome::answered, now + 5min, now);
  EXPECT_EQ(scheduler.entry_count(), 1U);
  EXPECT_EQ(scheduler.due_of(QueueId(2)), now + 5min);
  EXPECT_EQ(scheduler.next_due(), now + 5min);
  EXPECT_EQ(ids(scheduler.take(10, now + 5min)), std::vector<std::uint64_t>{2});
}

TEST_F(SchedulerTest, AWindowOfFiveAtFirst) {
  for (std::uint64_t id = 1; id <= 50; ++id) add(id, "a", now);
  const auto jobs = scheduler.take(100, now);
  EXPECT_EQ(jobs.size(), 5U);
  EXPECT_TRUE(scheduler.take(100, now).empty());
  scheduler.report(jobs[0], Outcome::answered, std::nullopt, now);
  EXPECT_EQ(scheduler.take(100, now).size(), 1U);
  EXPECT_EQ(scheduler.take(0, now).size(), 0U);
}

TEST_F(SchedulerTest, ForgetsADestinationWithoutWork) {
  for (std::uint64_t id = 1; id <= 1000; ++id) {
    add(id, fmt::format("d{}", id), now);
    scheduler.report(scheduler.take(1, now).at(0), Outcome::answered, std::nullopt, now);
  }
  EXPECT_EQ(scheduler.entry_count(), 0U);
  EXPECT_EQ(scheduler.destination_count(), 0U);
  add(1, "d1", now);
  scheduler.remove(QueueId(1));
  EXPECT_EQ(scheduler.destination_count(), 0U);
}

TEST_F(SchedulerTest, RemembersSomeIdleDestinationsThatTaughtItSomething) {
  SchedulerOptions options;
  options.idle_destinations_max = 3;
  Scheduler small(options, random);
  for (std::uint64_t id = 1; id <= 10; ++id) {
    ASSERT_TRUE(small.add({.message = QueueId(id), .destination = fmt::format("d{}", id)}));
    const Job job = small.take(1, now).at(0);
    small.remove(QueueId(id));
    small.report(job, Outcome::destination_failed, now, now);
  }
  EXPECT_EQ(small.destination_count(), 3U);
  EXPECT_TRUE(small.state_of("d10"));
  EXPECT_FALSE(small.state_of("d1"));
}

TEST_F(SchedulerTest, DestinationsTakeTurns) {
  for (std::uint64_t id = 1; id <= 60; ++id) add(id, "big", now - 1h);
  add(100, "small", now);
  add(101, "other", now);
  const auto taken = ids(scheduler.take(4, now));
  EXPECT_TRUE(std::ranges::count(taken, 100U) == 1 && std::ranges::count(taken, 101U) == 1);
}

TEST_F(SchedulerTest, LargeMessageIsCutAndDelaysNobody) {
  add(1, "a", now - 1h, "list@x", 10'000);
  add(2, "a", now, "list@x");
  EXPECT_EQ(scheduler.entry_count(), 101U);
  std::set<unsigned> seen;
  bool other_seen = false;
  std::size_t turn = 0;
  for (auto jobs = scheduler.take(1, now); !jobs.empty(); jobs = scheduler.take(1, now)) {
    ++turn;
    if (jobs[0].message == QueueId(2)) {
      EXPECT_LE(turn, 4U);
      other_seen = true;
    } else {
      for (unsigned i = 0; i < jobs[0].count; ++i) {
        EXPECT_TRUE(seen.insert(jobs[0].first + i).second);
      }
      EXPECT_LE(jobs[0].count, 100U);
    }
    scheduler.report(jobs[0], Outcome::answered, std::nullopt, now);
  }
  EXPECT_TRUE(other_seen);
  EXPECT_EQ(seen.size(), 10'000U);
}

TEST_F(SchedulerTest, SenderWithMuchMailDelaysNoOtherSender) {
  for (std::uint64_t id = 1; id <= 3000; ++id) add(id, "a", now - 1h, "bulk@x");
  for (std::uint64_t id = 1; id <= 3000; ++id) {
    add(10'000 + id, fmt::format("d{}", id), now - 1h, "bulk@x");
  }
  add(99'001, "a", now, "alice@x");
  add(99'002, "d7", now, "alice@x");
  add(99'003, "elsewhere", now, "alice@x");
  std::map<std::uint64_t, std::size_t> turns;
  for (std::size_t turn = 1; turn <= 6000; ++turn) {
    const auto jobs = scheduler.take(1, now);
    ASSERT_EQ(jobs.size(), 1U);
    turns[jobs[0].message.value()] = turn;
    scheduler.report(jobs[0], Outcome::answered, std::nullopt, now);
  }
  // 100 of the heavy sender's count as prompt, and each prompt job is followed by a bulk one.
  for (const std::uint64_t id : {99'001U, 99'002U, 99'003U}) {
    ASSERT_TRUE(turns.contains(id));
    EXPECT_LE(turns[id], 220U) << id;
  }
}

TEST_F(SchedulerTest, DeadDestinationIsProbedOnceAndThenFreed) {
  add(1, "a", now);
  kill("a");
  for (std::uint64_t id = 2; id <= 30; ++id) add(id, "a", now);
  EXPECT_TRUE(scheduler.take(100, now).empty());
  const auto wake = scheduler.next_due();
  ASSERT_TRUE(wake);
  EXPECT_LE(*wake, now + 60s);
  now = *wake;
  const auto probe = scheduler.take(100, now);
  ASSERT_EQ(probe.size(), 1U);
  EXPECT_FALSE(probe[0].suspended);
  scheduler.report(probe[0], Outcome::answered, std::nullopt, now);
  EXPECT_EQ(scheduler.take(100, now).size(), 5U);
}

TEST_F(SchedulerTest, AfterAFailedProbeWhatIsDueIsGivenBackSuspended) {
  add(1, "a", now);
  kill("a");
  for (std::uint64_t id = 2; id <= 30; ++id) add(id, "a", now);
  scheduler.take(100, now);
  now = scheduler.next_due().value();
  const auto probe = scheduler.take(100, now);
  ASSERT_EQ(probe.size(), 1U);
  EXPECT_TRUE(
      scheduler.report(probe[0], Outcome::destination_failed, now + 5min, now).destination_died);
  const auto returned = scheduler.take(100, now);
  EXPECT_EQ(returned.size(), 28U);
  for (const Job& job : returned) {
    EXPECT_TRUE(job.suspended);
    scheduler.report(job, Outcome::destination_failed, now + 5min, now);
  }
  EXPECT_EQ(scheduler.state_of("a")->window, 0U);
  EXPECT_EQ(scheduler.in_flight(), 0U);
}

TEST_F(SchedulerTest, SuspendedJobsDoNotStarveTheOthers) {
  add(1, "a", now);
  kill("a");
  for (std::uint64_t id = 2; id <= 500; ++id) add(id, "a", now);
  scheduler.take(100, now);
  now = scheduler.next_due().value();
  const auto probe = scheduler.take(100, now);
  ASSERT_EQ(probe.size(), 1U);
  scheduler.report(probe[0], Outcome::destination_failed, now + 5min, now);
  for (std::uint64_t id = 501; id <= 502; ++id) add(id, "b", now);
  const auto jobs = scheduler.take(4, now);
  EXPECT_EQ(std::ranges::count_if(jobs, &Job::suspended), 2);
  EXPECT_EQ(std::ranges::count_if(jobs, [](const Job& job) { return !job.suspended; }), 2);
  // Without room for both, they alternate.
  add(503, "b", now);
  EXPECT_NE(scheduler.take(1, now).at(0).suspended, scheduler.take(1, now).at(0).suspended);
}

TEST_F(SchedulerTest, FlushMakesAllDueAndProbes) {
  add(1, "a", now);
  kill("a");
  add(2, "a", now + 1h);
  add(3, "b", now + 1h);
  EXPECT_TRUE(scheduler.take(10, now).empty());
  EXPECT_GT(scheduler.flush("a", now), 0U);
  EXPECT_EQ(scheduler.take(10, now).size(), 1U);
  EXPECT_EQ(scheduler.flush("nowhere", now), 0U);
  scheduler.flush(now);
  EXPECT_EQ(ids(scheduler.take(10, now)), std::vector<std::uint64_t>{3});
}

TEST_F(SchedulerTest, HoldReleaseRetryRemove) {
  add(1, "a", now + 1h);
  EXPECT_FALSE(scheduler.hold(QueueId(9)));
  EXPECT_TRUE(scheduler.hold(QueueId(1)));
  EXPECT_TRUE(scheduler.take(10, now + 2h).empty());
  EXPECT_TRUE(scheduler.release(QueueId(1), now));
  const auto jobs = scheduler.take(10, now);
  ASSERT_EQ(jobs.size(), 1U);
  scheduler.hold(QueueId(1));
  scheduler.report(jobs[0], Outcome::answered, now + 5min, now);
  EXPECT_TRUE(scheduler.take(10, now + 1h).empty());
  scheduler.release(QueueId(1), now + 1h);
  const auto again = scheduler.take(10, now + 1h);
  ASSERT_EQ(again.size(), 1U);
  scheduler.report(again[0], Outcome::answered, now + 9h, now + 1h);
  EXPECT_TRUE(scheduler.retry(QueueId(1), now + 1h));
  const auto third = scheduler.take(10, now + 1h);
  ASSERT_EQ(third.size(), 1U);
  scheduler.remove(QueueId(1));
  EXPECT_FALSE(scheduler.due_of(QueueId(1)));
  scheduler.report(third[0], Outcome::answered, now + 9h, now + 1h);
  EXPECT_EQ(scheduler.entry_count(), 0U);
}

TEST_F(SchedulerTest, SuspectsRunAloneAndAreHeldAfterThreeCrashes) {
  for (std::uint64_t id = 1; id <= 4; ++id) add(id, fmt::format("d{}", id), now);
  for (const Job& job : scheduler.take(10, now)) {
    const Verdict verdict = scheduler.report(job, Outcome::crashed, now, now);
    EXPECT_FALSE(verdict.hold);
    EXPECT_EQ(verdict.suspect, 1U);
  }
  add(5, "d5", now);
  std::map<std::uint64_t, int> crashes;
  for (int round = 0; round < 6; ++round) {
    const auto jobs = scheduler.take(10, now);
    std::size_t exclusive = 0;
    for (const Job& job : jobs) {
      if (!job.exclusive) {
        EXPECT_EQ(job.message, QueueId(5));
        scheduler.report(job, Outcome::answered, std::nullopt, now);
        continue;
      }
      ++exclusive;
      EXPECT_TRUE(scheduler.take(10, now).empty());
      if (job.message != QueueId(1)) {
        EXPECT_EQ(scheduler.report(job, Outcome::answered, std::nullopt, now).suspect, 0U);
        continue;
      }
      const Verdict verdict = scheduler.report(job, Outcome::crashed, now, now);
      EXPECT_EQ(verdict.hold, ++crashes[1] == 2);
      if (verdict.hold) scheduler.hold(QueueId(1));
    }
    EXPECT_LE(exclusive, 1U);
  }
  EXPECT_EQ(scheduler.entry_count(), 1U);
  EXPECT_TRUE(scheduler.take(10, now + 100h).empty());
}

TEST_F(SchedulerTest, SuspicionSurvivesARestartAndEndsWithAnAttemptThatEndsWell) {
  add(1, "a", now, "a@a", 1, 2);
  auto jobs = scheduler.take(10, now);
  ASSERT_EQ(jobs.size(), 1U);
  EXPECT_TRUE(jobs[0].exclusive);
  EXPECT_EQ(scheduler.report(jobs[0], Outcome::answered, now, now).suspect, 0U);
  jobs = scheduler.take(10, now);
  ASSERT_EQ(jobs.size(), 1U);
  EXPECT_FALSE(jobs[0].exclusive);
}

TEST_F(SchedulerTest, SuspectForADeadDestinationBlocksNoOtherSuspect) {
  add(1, "a", now);
  kill("a");
  add(2, "a", now, "a@a", 1, 1);
  add(3, "b", now, "a@a", 1, 1);
  EXPECT_EQ(ids(scheduler.take(10, now)), std::vector<std::uint64_t>{3});
}

TEST_F(SchedulerTest, UntriedTeachesNothing) {
  for (std::uint64_t id = 1; id <= 5; ++id) add(id, "a", now);
  for (int i = 0; i < 50; ++i) {
    for (const Job& job : scheduler.take(10, now)) {
      scheduler.report(job, Outcome::untried, now, now);
    }
  }
  EXPECT_EQ(scheduler.state_of("a")->window, 5U);
  for (const Job& job : scheduler.take(10, now))
    scheduler.report(job, Outcome::untried, std::nullopt, now);
  EXPECT_EQ(scheduler.entry_count(), 0U);
}

TEST_F(SchedulerTest, PositionsOutOfRangeAreRefused) {
  EXPECT_FALSE(scheduler.add({.message = QueueId(1), .destination = "a", .count = 70'000}));
  EXPECT_FALSE(
      scheduler.add({.message = QueueId(1), .destination = "a", .first = 65'000, .count = 600}));
  EXPECT_EQ(scheduler.entry_count(), 0U);
}

TEST_F(SchedulerTest, ManyDueAtOnceArePromotedInBoundedSteps) {
  for (std::uint64_t id = 1; id <= 20'000; ++id) add(id, "a", now, fmt::format("s{}@x", id));
  int steps = 0;
  for (; scheduler.next_due() && *scheduler.next_due() <= now; ++steps) scheduler.take(0, now);
  EXPECT_EQ(steps, 5);
  EXPECT_EQ(scheduler.state_of("a")->due, 20'000U);
}

}  // namespace
}  // namespace brevdue::scheduler
