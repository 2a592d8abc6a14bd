// The queue while its store works: what is written, in which order, and who is told when.
#include "queue/queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/queue/queue_rig.h"

namespace brevdue::tests {

namespace {
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

mail::Settlement result_for(std::uint32_t recipient, mail::RecipientStatus status) {
  mail::Settlement delta;
  delta.attempts = 1;
  delta.results.push_back({recipient, status, "250 fine"});
  return delta;
}

mail::DeliveryState state_on_disk(QueueRig& rig, std::uint64_t id) {
  const std::lock_guard lock(rig.store.disk.mutex);
  return rig.store.disk.messages.at(mail::QueueId(id)).state;
}

TEST(QueueEnqueue, IsDurableBeforeAnybodyIsTold) {
  QueueRig rig;
  rig.start();
  rig.store.holding = true;
  const auto which = rig.enqueue(rig.message(1));
  rig.loop.advance(1min);
  EXPECT_FALSE(rig.answers[which].has_value());
  EXPECT_EQ(rig.find(1), nullptr);
  EXPECT_THAT(rig.events, ElementsAre("recovered 0"));
  EXPECT_FALSE(rig.queue->idle());
  rig.store.release_all();
  EXPECT_TRUE(rig.answer(which).has_value());
  EXPECT_THAT(rig.events, ElementsAre("recovered 0", "queued 1"));
  EXPECT_THAT(rig.not_durable, IsEmpty());
  EXPECT_TRUE(rig.queue->idle());
}

TEST(QueueEnqueue, FillsTheIndex) {
  QueueRig rig;
  rig.start();
  ASSERT_TRUE(rig.enqueue_now(rig.message(7, "Received: seven\r\n")).has_value());
  const queue::MessagePtr message = rig.find(7);
  ASSERT_NE(message, nullptr);
  EXPECT_EQ(message->id, mail::QueueId(7));
  EXPECT_EQ(message->size, 17u);
  EXPECT_EQ(message->recipient_count, 2u);
  EXPECT_EQ(message->next_sequence, 1u);
  EXPECT_TRUE(rig.queue->stays(mail::QueueId(7)));
  EXPECT_EQ(message->envelope.view(), rig.message(7, "Received: seven\r\n").envelope.view());
  std::size_t visited = 0;
  rig.queue->for_each([&](mail::QueueId) { ++visited; });
  EXPECT_EQ(visited, 1u);
  EXPECT_EQ(rig.queue->size(), 1u);
}

TEST(QueueEnqueue, AKnownIdIsRefused) {
  QueueRig rig;
  rig.start();
  const auto first = rig.enqueue(rig.message(1));
  const auto second = rig.enqueue(rig.message(1, "Received: other\r\n"));  // on its way
  EXPECT_EQ(rig.answer(second).error().code, ErrorCode::already_exists);
  EXPECT_TRUE(rig.answer(first).has_value());
  EXPECT_EQ(rig.enqueue_now(rig.message(1)).error().code, ErrorCode::already_exists);
  EXPECT_THAT(rig.store.mutations(), ElementsAre("enqueue 1"));
  EXPECT_EQ(rig.count("queued 1"), 1u);
  EXPECT_EQ(rig.read(1).value(), "Received: x\r\n");
}

TEST(QueueEnqueue, WithoutRoomNothingIsKept) {
  QueueRig rig;
  rig.store.disk.room = 10;
  rig.start();
  EXPECT_EQ(rig.enqueue_now(rig.message(1)).error().code, ErrorCode::storage_full);
  EXPECT_EQ(rig.find(1), nullptr);
  EXPECT_EQ(rig.queue->room(), 10u);
  EXPECT_TRUE(rig.queue->is_available());
  rig.store.disk.room = 100'000;
  EXPECT_TRUE(rig.enqueue_now(rig.message(1)).has_value());  // the id is free again
}

TEST(QueueEnqueue, BeforeTheStartIsUnavailable) {
  QueueRig rig;
  EXPECT_EQ(rig.enqueue_now(rig.message(1)).error().code, ErrorCode::unavailable);
  EXPECT_TRUE(rig.queue->idle());
  EXPECT_EQ(rig.queue->room(), 0u);
  EXPECT_EQ(rig.queue->statistics().batches, 0u);
}

TEST(QueueStart, AStoreThatCannotStartIsAnError) {
  QueueRig rig;
  rig.store.failing_starts = 1;
  EXPECT_EQ(rig.queue->start().error().code, ErrorCode::io_failure);
}

TEST(QueueStart, WhatCannotListStagedContentIsAnError) {
  QueueRig rig;
  rig.files.fail(Call::list, 1, EIO);
  EXPECT_EQ(rig.queue->start().error().code, ErrorCode::io_failure);
  EXPECT_EQ(rig.store.stores, 0u);
}

TEST(QueueRead, JustEnqueuedComesFromTheCache) {
  QueueRig rig;
  rig.start();
  ASSERT_TRUE(rig.enqueue_now(rig.message(1)).has_value());
  EXPECT_EQ(rig.read(1).value(), "Received: x\r\n");
  EXPECT_THAT(rig.store.opened(), IsEmpty());
}

TEST(QueueRead, WhatTheCacheHasNotComesFromTheStore) {
  QueueRig rig(15);
  rig.start();
  ASSERT_TRUE(rig.enqueue_now(rig.message(1)).has_value());
  ASSERT_TRUE(rig.enqueue_now(rig.message(2)).has_value());  // no longer fits
  EXPECT_EQ(rig.read(2).value(), "Received: x\r\n");
  EXPECT_THAT(rig.store.opened(), ElementsAre(mail::QueueId(2)));
}

TEST(QueueRead, ADeferredMessageLeavesTheCache) {
  QueueRig rig(15);
  rig.start();
  ASSERT_TRUE(rig.enqueue_now(rig.message(1)).has_value());
  ASSERT_TRUE(rig.settle_now(1, result_for(0, mail::RecipientStatus::deferred)).has_value());
  EXPECT_EQ(rig.read(1).value(), "Received: x\r\n");
  EXPECT_THAT(rig.store.opened(), ElementsAre(mail::QueueId(1)));
  ASSERT_TRUE(rig.enqueue_now(rig.message(2)).has_value());  // its bytes are free again
  EXPECT_EQ(rig.read(2).value(), "Received: x\r\n");
  EXPECT_EQ(rig.store.opened().size(), 1u);
}

TEST(QueueRead, SaysWhatIsUnknownOrDamaged) {
  QueueRig rig(0);
  rig.start();
  EXPECT_EQ(rig.read(1).error().code, ErrorCode::not_found);
  ASSERT_TRUE(rig.enqueue_now(rig.message(1)).has_value());
  rig.store.damage_contents();
  EXPECT_EQ(rig.read(1).error().code, ErrorCode::corrupt);
}

TEST(QueueSettle, NumbersDeltasAndAppliesThem) {
  QueueRig rig;
  rig.start();
  ASSERT_TRUE(rig.enqueue_now(rig.message(1)).has_value());
  const auto first = rig.settle(1, result_for(0, mail::RecipientStatus::deferred));
  EXPECT_EQ(rig.find(1)->state.status_of(0), mail::RecipientStatus::deferred);
  EXPECT_TRUE(rig.answer(first).has_value());
  ASSERT_TRUE(rig.settle_now(1, result_for(0, mail::RecipientStatus::relayed)).has_value());
  ASSERT_TRUE(rig.settle_now(1, result_for(1, mail::RecipientStatus::failed)).has_value());
  EXPECT_THAT(rig.store.mutations(),
              ElementsAre("enqueue 1", "settle 1 #1", "settle 1 #2", "settle 1 #3"));
  EXPECT_EQ(state_on_disk(rig, 1), rig.find(1)->state);
  EXPECT_EQ(rig.find(1)->state.open_recipients(2), 0u);
}

TEST(QueueSettle, GoesOnCountingAfterARestart) {
  QueueRig rig;
  rig.start();
  ASSERT_TRUE(rig.enqueue_now(rig.message(1)).has_value());
  ASSERT_TRUE(rig.settle_now(1, result_for(0, mail::RecipientStatus::deferred)).has_value());
  rig.restart();
  EXPECT_THAT(rig.events, ElementsAre("queued 1", "recovered 1"));
  EXPECT_EQ(rig.find(1)->state.status_of(0), mail::RecipientStatus::deferred);
  ASSERT_TRUE(rig.settle_now(1, result_for(0, mail::RecipientStatus::relayed)).has_value());
  EXPECT_EQ(rig.store.mutations().back(), "settle 1 #2");
  EXPECT_EQ(state_on_disk(rig, 1).status_of(0), mail::RecipientStatus::relayed);
  EXPECT_EQ(rig.store.stale, 0u);
}

TEST(QueueSettle, OfAnUnknownMessageIsNotFound) {
  QueueRig rig;
  rig.start();
  EXPECT_EQ(rig.settle_now(1).error().code, ErrorCode::not_found);
  EXPECT_EQ(rig.discard_now(1).error().code, ErrorCode::not_found);
  EXPECT_THAT(rig.store.batches, IsEmpty());
}

TEST(QueueDiscard, RemovesTheMessageOnceItIsDurable) {
  QueueRig rig;
  rig.start();
  ASSERT_TRUE(rig.enqueue_now(rig.message(1)).has_value());
  rig.store.holding = true;
  const auto which = rig.discard(1);
  rig.loop.advance(10ms);
  ASSERT_NE(rig.find(1), nullptr);
  EXPECT_FALSE(rig.queue->stays(mail::QueueId(1)));
  EXPECT_EQ(rig.discard_now(1).error().code, ErrorCode::not_found);
  rig.store.release_all();
  EXPECT_TRUE(rig.answer(which).has_value());
  EXPECT_EQ(rig.find(1), nullptr);
  EXPECT_FALSE(rig.store.contains(1));
  EXPECT_EQ(rig.queue->size(), 0u);
}

TEST(QueueDiscard, FreesTheCache) {
  QueueRig rig(15);
  rig.start();
  ASSERT_TRUE(rig.enqueue_now(rig.message(1)).has_value());
  ASSERT_TRUE(rig.discard_now(1).has_value());
  ASSERT_TRUE(rig.enqueue_now(rig.message(2)).has_value());
  EXPECT_EQ(rig.read(2).value(), "Received: x\r\n");
  EXPECT_THAT(rig.store.opened(), IsEmpty());
}

TEST(QueueStaged, IsReadFromItsFile) {
  QueueRig rig;
  rig.start();
  ASSERT_TRUE(rig.enqueue_now(rig.staged_message(1, "large")).has_value());
  EXPECT_EQ(rig.read(1).value(), "large");
  EXPECT_THAT(rig.store.opened(), IsEmpty());
  rig.restart();
  EXPECT_EQ(rig.read(1).value(), "large");
}

TEST(QueueStaged, IsUnlinkedOnlyAfterTheDiscardIsDurable) {
  QueueRig rig;
  rig.start();
  ASSERT_TRUE(rig.enqueue_now(rig.staged_message(1, "large")).has_value());
  rig.store.holding = true;
  const auto which = rig.discard(1);
  rig.loop.advance(10ms);
  rig.staging_idle();
  EXPECT_TRUE(rig.staged.contains(rig.staged_path(1)));
  rig.store.release_all();
  EXPECT_TRUE(rig.answer(which).has_value());
  rig.staging_idle();
  EXPECT_FALSE(rig.staged.contains(rig.staged_path(1)));
}

TEST(QueueStaged, RefusedForWantOfRoomIsUnlinked) {
  QueueRig rig;
  rig.store.disk.room = 10;
  rig.start();
  EXPECT_EQ(rig.enqueue_now(rig.staged_message(1, "large")).error().code, ErrorCode::storage_full);
  rig.staging_idle();
  EXPECT_FALSE(rig.staged.contains(rig.staged_path(1)));
}

TEST(QueueStaged, AnIdThatIsKnownKeepsItsFile) {
  QueueRig rig;
  rig.start();
  const queue::NewMessage message = rig.staged_message(1, "large");
  ASSERT_TRUE(rig.enqueue_now(message).has_value());
  EXPECT_EQ(rig.enqueue_now(message).error().code, ErrorCode::already_exists);
  rig.staging_idle();
  EXPECT_EQ(rig.read(1).value(), "large");
}

TEST(QueueEnd, WithWorkInFlightNobodyIsAnswered) {
  QueueRig rig;
  rig.start();
  ASSERT_TRUE(rig.enqueue_now(rig.message(1)).has_value());
  rig.store.holding = true;
  const auto enqueued = rig.enqueue(rig.message(2));
  const auto settled = rig.settle(1);
  rig.loop.run_posted();
  EXPECT_EQ(rig.store.held(), 1u);
  rig.queue.reset();
  rig.loop.advance(1min);
  EXPECT_FALSE(rig.answers[enqueued].has_value());
  EXPECT_FALSE(rig.answers[settled].has_value());
  EXPECT_TRUE(rig.store.contains(2));  // the store finished what it had
}

TEST(QueueStatistics, AreTheCommitters) {
  QueueRig rig;
  rig.start();
  ASSERT_TRUE(rig.enqueue_now(rig.message(1)).has_value());
  ASSERT_TRUE(rig.settle_now(1).has_value());
  EXPECT_EQ(rig.queue->statistics().batches, 2u);
  EXPECT_EQ(rig.queue->statistics().mutations, 2u);
  EXPECT_EQ(rig.queue->statistics().enqueued, 1u);
}
}  // namespace

}  // namespace brevdue::tests
