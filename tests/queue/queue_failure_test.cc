// The queue while its store fails and is opened anew: nothing that was asked for is lost, repeated
// or left unanswered.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/queue/queue_rig.h"

namespace brevdue::tests {

namespace {
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class QueueFailure : public testing::Test {
 protected:
  void SetUp() override { rig_.start(); }

  // The store fails with the enqueue of `id`; `reach_disk` mutations are kept all the same.
  void fail_with_enqueue_of(std::uint64_t id, std::size_t reach_disk = 0) {
    rig_.store.fail_next_batch = true;
    rig_.store.reach_disk = reach_disk;
    EXPECT_EQ(rig_.enqueue_now(rig_.message(id)).error().code, ErrorCode::io_failure);
    EXPECT_FALSE(rig_.queue->is_available());
  }

  static mail::Settlement result_for(std::uint32_t recipient, mail::RecipientStatus status) {
    mail::Settlement delta;
    delta.results.push_back({recipient, status, "text"});
    return delta;
  }

  QueueRig rig_;
};

TEST_F(QueueFailure, EnqueuesAreRefusedUntilTheStoreIsBack) {
  fail_with_enqueue_of(1);
  EXPECT_EQ(rig_.enqueue_now(rig_.message(2)).error().code, ErrorCode::unavailable);
  EXPECT_EQ(rig_.queue->room(), 0u);
  EXPECT_THAT(rig_.events, ElementsAre("recovered 0", "unavailable"));
  EXPECT_THAT(rig_.log_text(), HasSubstr("error: queue gives up its store: planted"));
  rig_.reopen_after(500ms);
  EXPECT_THAT(rig_.events, ElementsAre("recovered 0", "unavailable", "available"));
  EXPECT_EQ(rig_.store.stores, 2u);
  EXPECT_TRUE(rig_.enqueue_now(rig_.message(1)).has_value());
  EXPECT_TRUE(rig_.enqueue_now(rig_.message(2)).has_value());
}

TEST_F(QueueFailure, WhatWaitsInTheCommitterIsAnsweredToo) {
  rig_.store.holding = true;
  rig_.store.fail_next_batch = true;
  const auto first = rig_.enqueue(rig_.message(1));
  rig_.loop.run_posted();
  const auto second = rig_.enqueue(rig_.message(2));
  rig_.store.release_all();
  EXPECT_EQ(rig_.answer(first).error().code, ErrorCode::io_failure);
  EXPECT_EQ(rig_.answer(second).error().code, ErrorCode::unavailable);
  EXPECT_EQ(rig_.count("unavailable"), 1u);
  rig_.reopen_after(500ms);
  EXPECT_EQ(rig_.count("available"), 1u);
}

TEST_F(QueueFailure, BatchesInFlightAreAnsweredBeforeTheStoreIsGivenUp) {
  ASSERT_TRUE(rig_.enqueue_now(rig_.message(1)).has_value());
  rig_.store.depth = 2;
  rig_.store.holding = true;
  rig_.store.fail_next_batch = true;
  const auto first = rig_.enqueue(rig_.message(2));
  rig_.loop.run_posted();
  const auto discarded = rig_.discard(1);
  const auto second = rig_.enqueue(rig_.message(3));
  rig_.loop.run_posted();
  ASSERT_EQ(rig_.store.held(), 2u);
  rig_.store.release();
  EXPECT_EQ(rig_.answer(first).error().code, ErrorCode::io_failure);
  rig_.loop.advance(1min);  // the device takes its time over the second
  rig_.store.release_all();
  EXPECT_EQ(rig_.answer(second).error().code, ErrorCode::unavailable);
  rig_.reopen_after(10s);
  EXPECT_TRUE(rig_.answer(discarded).has_value());
  EXPECT_FALSE(rig_.store.contains(1));
  EXPECT_TRUE(rig_.enqueue_now(rig_.message(3)).has_value());
}

TEST_F(QueueFailure, SettlesAndDiscardsAreSubmittedAgain) {
  ASSERT_TRUE(rig_.enqueue_now(rig_.message(1)).has_value());
  ASSERT_TRUE(rig_.enqueue_now(rig_.message(2)).has_value());
  rig_.store.fail_next_batch = true;
  const auto settled = rig_.settle(1, result_for(0, mail::RecipientStatus::relayed));
  rig_.loop.advance(10ms);
  EXPECT_EQ(rig_.count("unavailable"), 1u);
  const auto discarded = rig_.discard(2);  // asked for while there is no store
  rig_.loop.advance(10ms);
  EXPECT_FALSE(rig_.answers[settled].has_value());
  EXPECT_FALSE(rig_.answers[discarded].has_value());
  rig_.reopen_after(500ms);
  EXPECT_TRUE(rig_.answer(settled).has_value());
  EXPECT_TRUE(rig_.answer(discarded).has_value());
  EXPECT_EQ(rig_.store.disk.messages.at(mail::QueueId(1)).state, rig_.find(1)->state);
  EXPECT_FALSE(rig_.store.contains(2));
  EXPECT_EQ(rig_.store.stale, 0u);
}

TEST_F(QueueFailure, ASettleWithoutRoomIsAFailureOfTheStore) {
  ASSERT_TRUE(rig_.enqueue_now(rig_.message(1)).has_value());
  rig_.store.holding = true;
  const auto settled = rig_.settle(1);
  rig_.loop.advance(10ms);
  rig_.store.fail_next_batch = true;
  rig_.store.release_all();
  rig_.loop.run_posted();
  EXPECT_FALSE(rig_.queue->is_available());
  rig_.reopen_after(500ms);
  EXPECT_TRUE(rig_.answer(settled).has_value());
}

// What was in flight fails after later deltas were asked for: they must not overtake it.
TEST_F(QueueFailure, DeltasOfAMessageKeepTheirOrder) {
  ASSERT_TRUE(rig_.enqueue_now(rig_.message(1)).has_value());
  rig_.store.depth = 2;
  rig_.store.holding = true;
  rig_.store.fail_next_batch = true;
  rig_.enqueue(rig_.message(2));
  rig_.loop.run_posted();
  rig_.settle(1, result_for(0, mail::RecipientStatus::relayed));
  rig_.enqueue(rig_.message(3));
  ASSERT_EQ(rig_.store.held(), 2u);
  rig_.store.release();
  rig_.loop.run_posted();
  EXPECT_FALSE(rig_.queue->is_available());
  const auto second = rig_.settle(1, result_for(1, mail::RecipientStatus::failed));
  const auto third = rig_.discard(1);
  rig_.store.release_all();
  rig_.loop.run_posted();
  rig_.store.batches.clear();
  rig_.reopen_after(10s);
  EXPECT_TRUE(rig_.answer(second).has_value());
  EXPECT_TRUE(rig_.answer(third).has_value());
  EXPECT_THAT(rig_.store.mutations(), ElementsAre("settle 1 #1", "settle 1 #2", "discard 1"));
}

TEST_F(QueueFailure, AMessageThatReachedTheDiskIsAdopted) {
  fail_with_enqueue_of(1, 1);
  rig_.reopen_after(500ms);
  EXPECT_THAT(rig_.events, ElementsAre("recovered 0", "unavailable", "queued 1", "available"));
  ASSERT_NE(rig_.find(1), nullptr);
  EXPECT_EQ(rig_.read(1).value(), "Received: x\r\n");
  EXPECT_TRUE(rig_.discard_now(1).has_value());
  EXPECT_EQ(rig_.store.stale, 0u);
}

TEST_F(QueueFailure, AnAdoptedMessageHasItsStagedContent) {
  const queue::NewMessage kept = rig_.staged_message(1, "kept");
  const queue::NewMessage lost = rig_.staged_message(2, "lost");
  rig_.store.fail_next_batch = true;
  rig_.store.reach_disk = 1;
  rig_.enqueue(kept);
  rig_.enqueue(lost);
  rig_.loop.run_posted();
  rig_.reopen_after(500ms);
  ASSERT_NE(rig_.find(1), nullptr);
  EXPECT_EQ(rig_.find(2), nullptr);
  EXPECT_EQ(rig_.read(1).value(), "kept");
  rig_.staging_idle();
  EXPECT_FALSE(rig_.staged.contains(rig_.staged_path(2)));
}

TEST_F(QueueFailure, StagedContentOfARefusedEnqueueIsUnlinked) {
  const queue::NewMessage refused = rig_.staged_message(1, "large");
  fail_with_enqueue_of(2);
  EXPECT_EQ(rig_.enqueue_now(refused).error().code, ErrorCode::unavailable);
  rig_.staging_idle();
  EXPECT_FALSE(rig_.staged.contains(rig_.staged_path(1)));
}

TEST_F(QueueFailure, ADiscardThatReachedTheDiskIsNotRepeated) {
  ASSERT_TRUE(rig_.enqueue_now(rig_.staged_message(1, "large")).has_value());
  rig_.store.fail_next_batch = true;
  rig_.store.reach_disk = 1;
  const auto discarded = rig_.discard(1);
  rig_.loop.advance(10ms);
  EXPECT_FALSE(rig_.answers[discarded].has_value());
  rig_.reopen_after(500ms);
  EXPECT_TRUE(rig_.answer(discarded).has_value());
  EXPECT_EQ(rig_.find(1), nullptr);
  EXPECT_THAT(rig_.store.mutations(), ElementsAre("enqueue 1", "discard 1"));
  EXPECT_THAT(rig_.log_text(), Not(HasSubstr("no longer in the store")));
  rig_.staging_idle();
  EXPECT_FALSE(rig_.staged.contains(rig_.staged_path(1)));
}

TEST_F(QueueFailure, AMessageThatIsGoneFromTheDiskIsReported) {
  ASSERT_TRUE(rig_.enqueue_now(rig_.message(1)).has_value());
  ASSERT_TRUE(rig_.enqueue_now(rig_.message(2)).has_value());
  fail_with_enqueue_of(3);
  rig_.store.disk.messages.erase(mail::QueueId(1));
  const auto settled = rig_.settle(1);
  rig_.reopen_after(500ms);
  EXPECT_EQ(rig_.find(1), nullptr);
  EXPECT_NE(rig_.find(2), nullptr);
  EXPECT_TRUE(rig_.answer(settled).has_value());
  EXPECT_THAT(rig_.log_text(),
              HasSubstr("error: " + mail::QueueId(1).text() + ": no longer in the store"));
  EXPECT_THAT(rig_.log_text(), HasSubstr("queue is open again with 1 messages"));
}

TEST_F(QueueFailure, LocationsAreThoseOfTheNewStore) {
  QueueRig rig(0);  // nothing comes from the cache
  rig.start();
  ASSERT_TRUE(rig.enqueue_now(rig.message(1)).has_value());
  rig.store.fail_next_batch = true;
  EXPECT_FALSE(rig.enqueue_now(rig.message(2)).has_value());
  EXPECT_EQ(rig.read(1).error().code, ErrorCode::unavailable);
  rig.reopen_after(500ms);
  EXPECT_EQ(rig.read(1).value(), "Received: x\r\n");
  EXPECT_TRUE(rig.settle_now(1).has_value());
  EXPECT_TRUE(rig.discard_now(1).has_value());
  EXPECT_EQ(rig.store.stale, 0u);
}

TEST_F(QueueFailure, CachedAndStagedContentIsReadableMeanwhile) {
  ASSERT_TRUE(rig_.enqueue_now(rig_.message(1)).has_value());
  ASSERT_TRUE(rig_.enqueue_now(rig_.staged_message(2, "large")).has_value());
  fail_with_enqueue_of(3);
  EXPECT_EQ(rig_.read(1).value(), "Received: x\r\n");
  EXPECT_EQ(rig_.read(2).value(), "large");
}

TEST_F(QueueFailure, TheDelayDoublesToItsBoundAndBeginsAnew) {
  rig_.store.failing_starts = 7;
  fail_with_enqueue_of(1);
  // The failure was 10 ms before its answer was looked for.
  for (const auto delay : {490ms, 1000ms, 2000ms, 4000ms, 8000ms, 10'000ms, 10'000ms, 10'000ms}) {
    const unsigned before = rig_.store.stores;
    rig_.loop.advance(delay - 1ms);
    EXPECT_EQ(rig_.store.stores, before) << delay.count();
    rig_.loop.advance(1ms);
    EXPECT_EQ(rig_.store.stores, before + 1) << delay.count();
  }
  rig_.loop.wait_until([&] { return rig_.queue->is_available(); });
  fail_with_enqueue_of(1);
  rig_.reopen_after(500ms);
  EXPECT_THAT(rig_.log_text(), HasSubstr("queue cannot be opened: start"));
  EXPECT_EQ(rig_.count("unavailable"), 2u);
  EXPECT_EQ(rig_.count("available"), 2u);
}

TEST_F(QueueFailure, ARecoveryThatFailsAfterReopeningIsTriedAgain) {
  ASSERT_TRUE(rig_.enqueue_now(rig_.message(1)).has_value());
  rig_.store.fail_recoveries(2);
  fail_with_enqueue_of(2);
  const auto discarded = rig_.discard(1);
  for (const auto delay : {500ms, 1000ms}) {
    rig_.loop.advance(delay);
    rig_.loop.wait_until([&] { return !rig_.queue->recovering(); });
    EXPECT_FALSE(rig_.queue->is_available());
  }
  ASSERT_EQ(rig_.loop.timers(), 1u);
  rig_.reopen_after(2s);
  EXPECT_EQ(rig_.store.stores, 4u);
  EXPECT_TRUE(rig_.answer(discarded).has_value());
  EXPECT_THAT(rig_.log_text(), HasSubstr("recovery: scan"));
  EXPECT_EQ(rig_.count("unavailable"), 1u);
  EXPECT_EQ(rig_.count("available"), 1u);
}

TEST_F(QueueFailure, EndsWhileItWaitsToReopen) {
  ASSERT_TRUE(rig_.enqueue_now(rig_.message(1)).has_value());
  fail_with_enqueue_of(2);
  const auto discarded = rig_.discard(1);
  rig_.queue.reset();
  EXPECT_EQ(rig_.loop.timers(), 0u);
  rig_.loop.advance(1min);
  EXPECT_EQ(rig_.store.stores, 1u);
  EXPECT_FALSE(rig_.answers[discarded].has_value());
}

TEST_F(QueueFailure, EndsWhileItRecoversAnew) {
  ASSERT_TRUE(rig_.enqueue_now(rig_.message(1)).has_value());
  fail_with_enqueue_of(2);
  rig_.store.block_recovery();
  rig_.loop.advance(1min);
  EXPECT_EQ(rig_.store.stores, 2u);
  EXPECT_TRUE(rig_.queue->recovering());
  rig_.queue.reset();
  rig_.loop.advance(1min);
  EXPECT_EQ(rig_.count("available"), 0u);
}
}  // namespace

}  // namespace brevdue::tests
