// When a batch leaves: the rule at the head of queue/committer.h, step by step.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/queue/committer_rig.h"

namespace brevdue::tests {

namespace {
using namespace std::chrono_literals;
using testing::ElementsAre;

TEST(CommitterGathering, WhatTheLoopHasAtHandJoinsOneBatch) {
  CommitterRig rig;
  rig.enqueue(1);
  rig.enqueue(2);
  rig.enqueue(3);
  EXPECT_EQ(rig.store.in_flight(), 0u);
  rig.loop.run_posted();
  EXPECT_THAT(rig.batches(), ElementsAre(3));
}

TEST(CommitterGathering, OneWriterWaitsForNothing) {
  CommitterRig rig;
  for (std::uint64_t id = 1; id <= 5; ++id) {
    rig.enqueue(id);
    rig.loop.run_posted();
    EXPECT_EQ(rig.store.in_flight(), 1u) << id;
    EXPECT_EQ(rig.loop.timers(), 0u) << id;
    rig.land(20ms);
  }
  EXPECT_THAT(rig.batches(), ElementsAre(1, 1, 1, 1, 1));
}

TEST(CommitterGathering, NobodyWaitsForWritersThatLeftLongAgo) {
  CommitterRig rig;
  for (std::uint64_t id = 1; id <= 10; ++id) rig.enqueue(id);
  rig.loop.run_posted();
  rig.land(20ms);
  rig.loop.advance(10ms);  // the half of the commit has passed
  rig.enqueue(11);
  rig.loop.run_posted();
  EXPECT_THAT(rig.batches(), ElementsAre(10, 1));
}

TEST(CommitterGathering, WhatArrivesDuringACommitGathers) {
  CommitterRig rig;
  rig.enqueue(1);
  rig.loop.run_posted();
  for (std::uint64_t id = 2; id <= 4; ++id) {
    rig.enqueue(id);
    rig.loop.advance(1ms);
  }
  EXPECT_THAT(rig.batches(), ElementsAre(1));
}

TEST(CommitterGathering, GoesOnceAllThatAreKnownAreIn) {
  CommitterRig rig;
  rig.enqueue(1);
  rig.loop.run_posted();
  for (std::uint64_t id = 2; id <= 4; ++id) rig.enqueue(id);
  rig.land(10ms);
  EXPECT_THAT(rig.batches(), ElementsAre(1));  // writer 1 may come back
  rig.loop.advance(1ms);
  rig.enqueue(5);
  rig.loop.run_posted();
  EXPECT_THAT(rig.batches(), ElementsAre(1, 4));
  EXPECT_EQ(rig.loop.timers(), 0u);
}

TEST(CommitterGathering, WaitsAtMostHalfOfTheLastCommitForThoseItDoesNotKnow) {
  CommitterRig rig;
  rig.enqueue(1);
  rig.loop.run_posted();
  for (std::uint64_t id = 2; id <= 4; ++id) rig.enqueue(id);
  rig.land(10ms);
  ASSERT_EQ(rig.loop.timers(), 1u);
  EXPECT_EQ(rig.loop.next_delay(), 5ms);
  rig.loop.advance(5ms - 1ns);
  EXPECT_THAT(rig.batches(), ElementsAre(1));
  rig.loop.advance(1ns);
  EXPECT_THAT(rig.batches(), ElementsAre(1, 3));
}

TEST(CommitterGathering, TheWaitIsCountedFromTheLandingNotFromTheLastArrival) {
  CommitterRig rig;
  for (std::uint64_t id = 1; id <= 8; ++id) rig.enqueue(id);
  rig.loop.run_posted();
  rig.land(10ms);
  for (std::uint64_t id = 9; id <= 12; ++id) {
    rig.loop.advance(1ms);
    rig.enqueue(id);
  }
  rig.loop.run_posted();
  EXPECT_THAT(rig.batches(), ElementsAre(8));
  rig.loop.advance(1ms);
  EXPECT_THAT(rig.batches(), ElementsAre(8, 4));
}

// What follows begins with `writers` who were answered by a commit of 10 ms, and have all come back
// at once `took` after it.
class ReturningWriters {
 public:
  ReturningWriters(std::size_t writers, std::chrono::nanoseconds took) {
    come(writers);
    rig.land(10ms);
    rig.loop.advance(took);
    come(writers);
    rig.loop.run_posted();
    EXPECT_THAT(rig.batches(), ElementsAre(writers, writers));
  }

  void come(std::size_t writers) {
    for (; writers > 0; --writers) rig.enqueue(++last_);
    rig.loop.run_posted();
  }

  CommitterRig rig;

 private:
  std::uint64_t last_ = 0;
};

TEST(CommitterReturning, WritersAreWaitedForTwiceAsLongAsTheyTookTheLastTime) {
  ReturningWriters writers(8, 1ms);
  writers.rig.land(10ms);
  writers.come(4);
  EXPECT_EQ(writers.rig.loop.next_delay(), 2ms);
  writers.rig.loop.advance(2ms - 1ns);
  EXPECT_THAT(writers.rig.batches(), ElementsAre(8, 8));
  writers.rig.loop.advance(1ns);
  EXPECT_THAT(writers.rig.batches(), ElementsAre(8, 8, 4));
}

TEST(CommitterReturning, LateInTheCommitTheyAreWaitedForAsLongAsItTook) {
  ReturningWriters writers(8, 9ms);
  writers.rig.land(10ms);
  writers.rig.loop.advance(9700us);
  writers.come(4);
  EXPECT_EQ(writers.rig.loop.next_delay(), 300us);
  writers.come(4);
  EXPECT_THAT(writers.rig.batches(), ElementsAre(8, 8, 8));
}

TEST(CommitterReturning, ATimerIsNotSetForLessThanItIsWorth) {
  ReturningWriters writers(8, 1us);
  writers.rig.land(10ms);
  writers.come(4);
  EXPECT_EQ(writers.rig.loop.next_delay(), 400us);
}

TEST(CommitterReturning, OneInEightMayStayAway) {
  ReturningWriters writers(16, 1ms);
  writers.rig.land(10ms);
  writers.rig.loop.advance(1500us);
  writers.come(14);
  EXPECT_EQ(writers.rig.loop.next_delay(), 1500us);
  writers.rig.loop.advance(1500us);
  ASSERT_THAT(writers.rig.batches(), ElementsAre(16, 16, 14));
  writers.rig.land(10ms);
  writers.come(2);
  EXPECT_EQ(writers.rig.loop.next_delay(), 3ms);
}

TEST(CommitterReturning, ThoseWhoDidNotComeBackAreWaitedForHalfACommit) {
  ReturningWriters writers(8, 1ms);
  writers.rig.land(10ms);
  writers.come(4);
  writers.rig.loop.advance(2ms);
  ASSERT_THAT(writers.rig.batches(), ElementsAre(8, 8, 4));
  writers.rig.land(10ms);
  writers.come(1);
  EXPECT_EQ(writers.rig.loop.next_delay(), 5ms);
}

TEST(CommitterReturning, ThoseWhoComeBackAfterMoreThanACommitToo) {
  CommitterRig rig;
  for (std::uint64_t id = 1; id <= 8; ++id) rig.enqueue(id);
  rig.loop.run_posted();
  rig.land(10ms);
  rig.loop.advance(11ms);
  for (std::uint64_t id = 9; id <= 16; ++id) rig.enqueue(id);
  rig.loop.run_posted();
  rig.land(10ms);
  rig.enqueue(17);
  rig.loop.run_posted();
  EXPECT_EQ(rig.loop.next_delay(), 5ms);
}

// On a slow disk it would take the next commit for itself, one moment before the writer is back.
TEST(CommitterReturning, AnOldLoneMutationGoesWithTheWriterThatComesBack) {
  ReturningWriters writers(1, 1ms);
  writers.rig.submit(CommitterRig::discard_of(1));
  writers.rig.land(12ms);
  EXPECT_THAT(writers.rig.batches(), ElementsAre(1, 1));
  writers.rig.loop.advance(1ms);
  writers.come(1);
  EXPECT_THAT(writers.rig.batches(), ElementsAre(1, 1, 2));
}

TEST(CommitterReturning, AnOldLoneMutationDoesNotWaitForAWriterThatStaysAway) {
  ReturningWriters writers(1, 1ms);
  writers.rig.submit(CommitterRig::discard_of(1));
  writers.rig.land(12ms);
  writers.rig.loop.advance(2ms - 1ns);
  EXPECT_THAT(writers.rig.batches(), ElementsAre(1, 1));
  writers.rig.loop.advance(1ns);
  EXPECT_THAT(writers.rig.batches(), ElementsAre(1, 1, 1));
  writers.rig.land(12ms);
  writers.rig.submit(CommitterRig::discard_of(2));
  EXPECT_EQ(writers.rig.loop.timers(), 0u);
  writers.rig.loop.advance(10ms);
  EXPECT_THAT(writers.rig.batches(), ElementsAre(1, 1, 1, 1));
}

TEST(CommitterGathering, HalfOfAFastCommitIsNotWorthATimer) {
  CommitterRig rig;
  rig.enqueue(1);
  rig.loop.run_posted();
  rig.enqueue(2);
  rig.land(799us);
  EXPECT_THAT(rig.batches(), ElementsAre(1, 1));
  EXPECT_EQ(rig.loop.timers(), 0u);
}

TEST(CommitterGathering, HalfOfACommitAtTheBoundIsWaitedFor) {
  CommitterRig rig;
  rig.enqueue(1);
  rig.loop.run_posted();
  rig.enqueue(2);
  rig.land(800us);
  EXPECT_THAT(rig.batches(), ElementsAre(1));
  rig.loop.advance(400us);
  EXPECT_THAT(rig.batches(), ElementsAre(1, 1));
}

TEST(CommitterGathering, AFullBatchDoesNotWait) {
  CommitterRig rig({.batch_bytes_max = 4000});
  for (std::uint64_t id = 1; id <= 3; ++id) rig.enqueue(id);
  rig.loop.run_posted();
  rig.enqueue(4);
  rig.land(10ms);
  EXPECT_THAT(rig.batches(), ElementsAre(3));
  rig.enqueue(5, 3000);  // not all are in, but more would not fit
  rig.loop.run_posted();
  EXPECT_THAT(rig.batches(), ElementsAre(3, 1));
}

TEST(CommitterGathering, ASmallBatchDoesNotGoBesideAnother) {
  CommitterRig rig({.share_min = 8}, 4);
  for (std::uint64_t id = 1; id <= 8; ++id) rig.enqueue(id);
  EXPECT_THAT(rig.batches(), ElementsAre(8));
  for (std::uint64_t id = 9; id <= 15; ++id) rig.enqueue(id);
  rig.loop.advance(1h);
  EXPECT_THAT(rig.batches(), ElementsAre(8));
  rig.enqueue(16);
  EXPECT_THAT(rig.batches(), ElementsAre(8, 8));
}

TEST(CommitterGathering, AFullOneGoesBesideAnotherWhateverItHolds) {
  CommitterRig rig({.batch_bytes_max = 4000, .share_min = 8}, 2);
  rig.enqueue(1);
  rig.loop.run_posted();
  for (std::uint64_t id = 2; id <= 4; ++id) rig.enqueue(id);
  rig.loop.run_posted();
  EXPECT_THAT(rig.batches(), ElementsAre(1));
  rig.enqueue(5);
  rig.loop.run_posted();
  EXPECT_THAT(rig.batches(), ElementsAre(1, 3));
}

TEST(CommitterGathering, TheKnownWritersPartIntoAsManyBatchesAsMayBeInFlight) {
  CommitterRig rig({.share_min = 2}, 2);
  for (std::uint64_t id = 1; id <= 8; ++id) rig.enqueue(id);
  rig.loop.run_posted();
  ASSERT_THAT(rig.batches(), ElementsAre(2, 2));  // nobody was known yet
  for (std::uint64_t id = 9; id <= 12; ++id) rig.enqueue(id);
  rig.land(1ms);  // 8 wait, 2 are back in flight, 2 may come back
  ASSERT_THAT(rig.batches(), ElementsAre(2, 2, 8));
  rig.land(1ms);
  EXPECT_THAT(rig.batches(), ElementsAre(2, 2, 8));
  for (std::uint64_t id = 13; id <= 16; ++id) rig.enqueue(id);  // known are the 8 and 2
  EXPECT_THAT(rig.batches(), ElementsAre(2, 2, 8));
  rig.enqueue(17);
  EXPECT_THAT(rig.batches(), ElementsAre(2, 2, 8, 5));
}

TEST(CommitterGathering, MoreThanTwoBatchesOnlyWhereTheyAreLarge) {
  for (const std::size_t ample : {2u, 5u}) {
    CommitterRig rig({.share_min = 2, .share_ample = ample}, 4);
    for (std::uint64_t id = 1; id <= 8; ++id) rig.enqueue(id);
    rig.loop.run_posted();
    ASSERT_THAT(rig.batches(), ElementsAre(2, 2, 2, 2));  // nobody was known yet
    rig.land(1ms);
    for (std::uint64_t id = 9; id <= 10; ++id) rig.enqueue(id);  // known are 6 and the 2 answered
    EXPECT_EQ(rig.batches().size(), ample == 2 ? 5u : 4u);
    for (std::uint64_t id = 11; id <= 12; ++id) rig.enqueue(id);
    EXPECT_EQ(rig.batches().back(), ample == 2 ? 2u : 4u);
  }
}

TEST(CommitterGathering, ALoneMutationWaitsForALandingWhileSomethingIsInFlight) {
  CommitterRig rig({.share_min = 1}, 4);
  rig.enqueue(1);
  rig.submit(CommitterRig::discard_of(2));
  rig.loop.advance(1h);
  EXPECT_THAT(rig.batches(), ElementsAre(1));
  rig.land(0ns);
  EXPECT_THAT(rig.batches(), ElementsAre(1, 1));
}

class LoneMutation : public testing::TestWithParam<bool> {
 protected:
  queue::Mutation mutation() const {
    return GetParam() ? CommitterRig::settle_of(1) : CommitterRig::discard_of(1);
  }
  CommitterRig rig_;
};

TEST_P(LoneMutation, GoesAfterTheLoneDelay) {
  rig_.submit(mutation());
  rig_.loop.advance(10ms - 1ns);
  EXPECT_TRUE(rig_.batches().empty());
  rig_.loop.advance(1ns);
  EXPECT_THAT(rig_.batches(), ElementsAre(1));
}

TEST_P(LoneMutation, TheDelayIsThatOfTheFirst) {
  rig_.submit(mutation());
  rig_.loop.advance(6ms);
  rig_.submit(mutation());
  rig_.loop.advance(4ms);
  EXPECT_THAT(rig_.batches(), ElementsAre(2));
}

TEST_P(LoneMutation, GoesWithTheNextEnqueueAndBeforeIt) {
  rig_.submit(mutation());
  rig_.loop.advance(3ms);
  rig_.enqueue(2);
  rig_.loop.run_posted();
  EXPECT_THAT(rig_.store.submitted, ElementsAre(ElementsAre(mail::QueueId(1), mail::QueueId(2))));
  EXPECT_EQ(rig_.loop.timers(), 0u);
}

TEST_P(LoneMutation, ThatGrewOldDuringACommitGoesAtItsLanding) {
  rig_.enqueue(7);
  rig_.loop.run_posted();
  rig_.submit(mutation());
  rig_.land(12ms);
  EXPECT_THAT(rig_.batches(), ElementsAre(1, 1));
}

INSTANTIATE_TEST_SUITE_P(Kinds, LoneMutation, testing::Bool(),
                         [](const auto& kind) { return kind.param ? "Settle" : "Discard"; });
}  // namespace

}  // namespace brevdue::tests
