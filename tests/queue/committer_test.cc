// What is in a batch, who is told what, and the committer's end. When a batch leaves is in
// committer_gathering_test.cc.
#include "queue/committer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/queue/committer_rig.h"

namespace brevdue::tests {

namespace {
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

// Everything that waits, batch by batch, each landing at once.
void land_all(CommitterRig& rig) {
  rig.loop.run_posted();
  while (!rig.committer->idle()) {
    if (rig.store.in_flight() == 0) rig.loop.advance(10ms);
    rig.land(0ns);
  }
}

TEST(CommitterBounds, Bytes) {
  CommitterRig rig({.batch_bytes_max = 1000});
  for (std::uint64_t id = 1; id <= 5; ++id) rig.enqueue(id, 300);
  land_all(rig);
  EXPECT_THAT(rig.batches(), ElementsAre(2, 2, 1));
  EXPECT_EQ(rig.times_answered, 5u);
}

TEST(CommitterBounds, ContentCountsAsTheEnvelopeDoes) {
  CommitterRig rig({.batch_bytes_max = 1000});
  for (std::uint64_t id = 1; id <= 2; ++id) {
    rig.submit(
        queue::Enqueue{mail::QueueId(id), SharedBytes("e"), SharedBytes(std::string(500, 'c'))});
  }
  land_all(rig);
  EXPECT_THAT(rig.batches(), ElementsAre(1, 1));
}

TEST(CommitterBounds, Count) {
  CommitterRig rig({.batch_count_max = 3});
  for (std::uint64_t id = 1; id <= 7; ++id) rig.enqueue(id);
  land_all(rig);
  EXPECT_THAT(rig.batches(), ElementsAre(3, 3, 1));
}

TEST(CommitterBounds, WhatIsLargerThanABatchGoesAlone) {
  CommitterRig rig({.batch_bytes_max = 1000});
  rig.enqueue(1, 10);
  rig.enqueue(2, 5000);
  rig.enqueue(3, 10);
  land_all(rig);
  EXPECT_THAT(rig.store.submitted,
              ElementsAre(ElementsAre(mail::QueueId(1)), ElementsAre(mail::QueueId(2)),
                          ElementsAre(mail::QueueId(3))));
}

TEST(CommitterBounds, AGroupIsNeverSplit) {
  CommitterRig rig({.batch_count_max = 3});
  for (std::uint64_t id = 1; id <= 6; id += 2) {
    queue::Batch group;
    group.push_back(CommitterRig::enqueue_of(id));
    group.push_back(CommitterRig::discard_of(id + 1));
    rig.submit(std::move(group));
  }
  queue::Batch large;
  for (std::uint64_t id = 7; id <= 11; ++id) large.push_back(CommitterRig::settle_of(id));
  rig.submit(std::move(large));
  rig.enqueue(12);
  land_all(rig);
  EXPECT_THAT(rig.batches(), ElementsAre(2, 2, 2, 5, 1));
  ASSERT_TRUE(rig.answers[3].has_value());
  EXPECT_EQ(rig.answers[3]->size(), 5u);
}

TEST(Committer, KeepsTheOrderOfSubmission) {
  CommitterRig rig({.batch_count_max = 4});
  std::vector<mail::QueueId> asked;
  for (std::uint64_t id = 1; id <= 30; ++id) {
    asked.emplace_back(id);
    rig.submit(id % 3 == 0
                   ? CommitterRig::settle_of(id)
                   : (id % 3 == 1 ? CommitterRig::enqueue_of(id) : CommitterRig::discard_of(id)));
  }
  land_all(rig);
  std::vector<mail::QueueId> committed;
  for (const auto& batch : rig.store.submitted) {
    committed.insert(committed.end(), batch.begin(), batch.end());
  }
  EXPECT_EQ(committed, asked);
  EXPECT_TRUE(std::ranges::is_sorted(rig.answered_in_order));
}

TEST(Committer, AnswersOnlyAfterTheStoreDid) {
  CommitterRig rig;
  rig.enqueue(1);
  rig.loop.advance(1h);
  EXPECT_EQ(rig.times_answered, 0u);
  rig.store.complete();
  EXPECT_EQ(rig.times_answered, 0u);  // in the loop's thread, not in the store's
  rig.loop.run_posted();
  EXPECT_EQ(rig.times_answered, 1u);
}

TEST(Committer, AtDepthOneOnlyOneBatchIsInFlight) {
  CommitterRig rig;
  for (std::uint64_t id = 1; id <= 20; ++id) {
    rig.enqueue(id);
    rig.loop.run_posted();
    if (id % 4 == 0) rig.land(0ns);
  }
  land_all(rig);
  EXPECT_EQ(rig.store.deepest, 1u);
  EXPECT_EQ(rig.times_answered, 20u);
}

TEST(Committer, AtDepthTwoTwoAreAndTheThirdGathers) {
  CommitterRig rig({.share_min = 1}, 2);
  for (std::uint64_t id = 1; id <= 4; ++id) {
    rig.enqueue(id);
    rig.loop.run_posted();
  }
  EXPECT_THAT(rig.batches(), ElementsAre(1, 1));
  rig.land(0ns);
  EXPECT_THAT(rig.batches(), ElementsAre(1, 1, 2));
  EXPECT_EQ(rig.store.deepest, 2u);
  land_all(rig);
  EXPECT_THAT(rig.answered_in_order, ElementsAre(0, 1, 2, 3));
}

TEST(Committer, EachGroupGetsItsOwnResults) {
  CommitterRig rig;
  queue::Batch pair;
  pair.push_back(CommitterRig::enqueue_of(1));
  pair.push_back(CommitterRig::discard_of(2));
  rig.submit(std::move(pair));
  rig.enqueue(3);
  rig.submit(CommitterRig::settle_of(4));
  rig.loop.run_posted();
  queue::BatchResults results;
  results.emplace_back(fail(ErrorCode::storage_full, "one"));
  results.emplace_back(location_number(2));
  results.emplace_back(fail(ErrorCode::io_failure, "three"));
  results.emplace_back(location_number(4));
  rig.store.complete_with(std::move(results));
  rig.loop.run_posted();
  ASSERT_EQ(rig.answers[0]->size(), 2u);
  EXPECT_EQ((*rig.answers[0])[0].error().code, ErrorCode::storage_full);
  EXPECT_EQ((*rig.answers[0])[1].value(), location_number(2));
  ASSERT_EQ(rig.answers[1]->size(), 1u);
  EXPECT_EQ(rig.answers[1]->front().error().context, "three");
  ASSERT_EQ(rig.answers[2]->size(), 1u);
  EXPECT_EQ(rig.answers[2]->front().value(), location_number(4));
}

TEST(Committer, GoesOnAfterAFailure) {
  CommitterRig rig;
  rig.enqueue(1);
  rig.loop.run_posted();
  rig.enqueue(2);
  queue::BatchResults results;
  results.emplace_back(fail(ErrorCode::io_failure, "write"));
  rig.store.complete_with(std::move(results));
  rig.loop.run_posted();
  ASSERT_EQ(rig.store.in_flight(), 1u);
  rig.land(0ns);
  EXPECT_TRUE(rig.answers[1]->front().has_value());
}

TEST(Committer, ItsAnswersMaySubmit) {
  CommitterRig rig;
  std::size_t rounds = 0;
  std::function<void()> again = [&] {
    queue::Batch group;
    group.push_back(CommitterRig::enqueue_of(++rounds));
    rig.committer->submit(std::move(group), [&](const queue::BatchResults&) {
      if (rounds < 4) again();
    });
  };
  again();
  land_all(rig);
  EXPECT_THAT(rig.batches(), ElementsAre(1, 1, 1, 1));
}

TEST(CommitterEnd, WithBatchesInFlightNobodyIsAnswered) {
  CommitterRig rig({.share_min = 1}, 2);
  rig.enqueue(1);
  rig.loop.run_posted();
  rig.enqueue(2);
  rig.loop.run_posted();
  rig.enqueue(3);
  rig.store.complete();  // on its way back to the loop
  rig.committer.reset();
  rig.store.complete();
  rig.loop.advance(1s);
  EXPECT_EQ(rig.times_answered, 0u);
  EXPECT_EQ(rig.store.in_flight(), 0u);
}

TEST(CommitterEnd, WhileItMeansToSubmitOrWaitsForATimer) {
  CommitterRig scheduled;
  scheduled.enqueue(1);
  scheduled.committer.reset();
  scheduled.loop.advance(1s);
  EXPECT_THAT(scheduled.batches(), IsEmpty());

  CommitterRig armed;
  armed.submit(CommitterRig::settle_of(1));
  armed.loop.run_posted();
  ASSERT_EQ(armed.loop.timers(), 1u);
  armed.committer.reset();
  EXPECT_EQ(armed.loop.timers(), 0u);
  armed.loop.advance(1s);
  EXPECT_THAT(armed.batches(), IsEmpty());
}

TEST(CommitterEnd, InsideAnAnswerTheOthersOfTheBatchAreDropped) {
  CommitterRig rig;
  queue::Batch first;
  first.push_back(CommitterRig::enqueue_of(1));
  rig.committer->submit(std::move(first),
                        [&](const queue::BatchResults&) { rig.committer.reset(); });
  rig.enqueue(2);
  rig.loop.run_posted();
  rig.land(1ms);
  EXPECT_EQ(rig.committer, nullptr);
  EXPECT_EQ(rig.times_answered, 0u);
}

TEST(CommitterStatistics, CountWhatWasSubmitted) {
  CommitterRig rig;
  EXPECT_TRUE(rig.committer->idle());
  rig.enqueue(1);
  rig.submit(CommitterRig::settle_of(2));
  EXPECT_FALSE(rig.committer->idle());
  rig.loop.run_posted();
  EXPECT_FALSE(rig.committer->idle());
  rig.land(7ms);
  EXPECT_TRUE(rig.committer->idle());
  rig.submit(CommitterRig::discard_of(1));
  rig.loop.advance(10ms);
  rig.land(3ms);
  const queue::CommitterStatistics& statistics = rig.committer->statistics();
  EXPECT_EQ(statistics.batches, 2u);
  EXPECT_EQ(statistics.mutations, 3u);
  EXPECT_EQ(statistics.enqueued, 1u);
  EXPECT_EQ(statistics.last_commit, 3ms);
}
}  // namespace

}  // namespace brevdue::tests
