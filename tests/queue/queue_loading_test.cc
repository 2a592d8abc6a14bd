// Messages that are not in memory: with a cache for none of them, each is read when it is wanted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/queue/queue_rig.h"

namespace brevdue::tests {

namespace {
using mail::QueueId;
using mail::RecipientStatus;
using queue::MessagePtr;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

mail::Settlement deferral(std::uint32_t recipient, std::uint32_t attempts) {
  mail::Settlement delta;
  delta.attempts = attempts;
  delta.results.push_back({recipient, RecipientStatus::deferred, "450 later"});
  return delta;
}

class QueueLoading : public testing::Test {
 protected:
  QueueLoading() { rig.start(); }

  // The last one put into a cache of no size stays there until the next one comes.
  void enqueue_and_forget(std::uint64_t id) {
    ASSERT_TRUE(rig.enqueue_now(rig.message(id)).has_value());
    ASSERT_TRUE(rig.enqueue_now(rig.message(1000 + id)).has_value());
  }
  std::size_t reads_of(std::uint64_t id) {
    const auto all = rig.store.looked_up();
    return static_cast<std::size_t>(std::ranges::count(all, QueueId(id)));
  }
  std::vector<Result<MessagePtr>> look_at(std::vector<std::uint64_t> numbers) {
    std::vector<QueueId> ids(numbers.begin(), numbers.end());
    std::optional<std::vector<Result<MessagePtr>>> found;
    rig.queue->look_at(ids, [&](auto answer) { found = std::move(answer); });
    rig.loop.wait_until([&] { return found.has_value(); });
    return std::move(*found);
  }

  QueueRig rig{64u << 20, 0};
};

TEST_F(QueueLoading, BringsBackEnvelopeAndState) {
  enqueue_and_forget(1);
  {
    const MessagePtr held = rig.find(1);
    ASSERT_TRUE(rig.settle_now(1, deferral(1, 1)).has_value());
  }
  ASSERT_TRUE(rig.enqueue_now(rig.message(2)).has_value());
  const std::size_t before = reads_of(1);
  const MessagePtr message = rig.find(1);
  ASSERT_NE(message, nullptr);
  EXPECT_EQ(reads_of(1), before + 1);
  EXPECT_EQ(message->id, QueueId(1));
  EXPECT_EQ(message->envelope.view(), rig.message(1).envelope.view());
  EXPECT_EQ(message->state.attempts, 1u);
  EXPECT_EQ(message->state.status_of(1), RecipientStatus::deferred);
  EXPECT_EQ(message->size, 13u);
  EXPECT_EQ(message->recipient_count, 2u);
  EXPECT_EQ(message->next_sequence, 2u);
}

TEST_F(QueueLoading, WhatIsHeldIsNotReadAgainAndShowsWhatWasAskedFor) {
  enqueue_and_forget(1);
  const MessagePtr held = rig.find(1);
  rig.store.holding = true;
  const auto settled = rig.settle(1, deferral(0, 1));
  for (std::uint64_t id = 2; id < 40; ++id) rig.enqueue(rig.message(id));
  EXPECT_EQ(held->state.attempts, 1u);
  EXPECT_EQ(rig.find(1), held);
  rig.store.release_all();
  EXPECT_TRUE(rig.answer(settled).has_value());
  EXPECT_EQ(reads_of(1), 1u);
}

TEST_F(QueueLoading, AMessageThatIsBeingSettledStaysInMemory) {
  enqueue_and_forget(1);
  rig.store.holding = true;
  std::size_t settled = 0;
  {
    const MessagePtr held = rig.find(1);
    settled = rig.settle(1, deferral(0, 7));
  }
  rig.loop.advance(10ms);
  for (std::uint64_t id = 2; id < 40; ++id) rig.enqueue(rig.message(id));
  // On the disk it has no attempts yet.
  EXPECT_EQ(rig.find(1)->state.attempts, 7u);
  rig.store.release_all();
  EXPECT_TRUE(rig.answer(settled).has_value());
}

TEST_F(QueueLoading, SettlementsGoOnCountingAfterIt) {
  enqueue_and_forget(1);
  for (std::uint32_t attempt = 1; attempt <= 3; ++attempt) {
    const MessagePtr message = rig.find(1);
    ASSERT_TRUE(rig.settle_now(1, deferral(attempt % 2, attempt)).has_value());
    ASSERT_TRUE(rig.enqueue_now(rig.message(attempt + 10)).has_value());
  }
  EXPECT_EQ(rig.find(1)->next_sequence, 4u);
  EXPECT_THAT(rig.store.mutations(),
              testing::IsSupersetOf({"settle 1 #1", "settle 1 #2", "settle 1 #3"}));
}

TEST_F(QueueLoading, ASettlementOfWhatIsNotInMemoryLoadsItFirst) {
  enqueue_and_forget(1);
  const auto first = rig.settle(1, deferral(0, 1));
  const auto second = rig.settle(1, deferral(1, 2));
  EXPECT_EQ(rig.find(1)->state.attempts, 2u);
  EXPECT_EQ(reads_of(1), 1u);
  EXPECT_TRUE(rig.answer(first).has_value());
  EXPECT_TRUE(rig.answer(second).has_value());
  const std::lock_guard lock(rig.store.disk.mutex);
  const auto& state = rig.store.disk.messages.at(QueueId(1)).state;
  EXPECT_EQ(state.sequence, 2u);
  EXPECT_THAT(state.results, SizeIs(2));
}

TEST_F(QueueLoading, ShortStatesAreGivenWholeToTheStore) {
  enqueue_and_forget(1);
  const MessagePtr held = rig.find(1);
  ASSERT_TRUE(rig.settle_now(1, deferral(0, 1)).has_value());
  ASSERT_TRUE(rig.settle_now(1, deferral(1, 2)).has_value());
  EXPECT_EQ(rig.store.wholes, 2u);
  mail::Settlement many;
  for (std::uint32_t i = 0; i < 40; ++i) {
    many.results.push_back({i, RecipientStatus::deferred, "450 later"});
  }
  ASSERT_TRUE(rig.settle_now(1, many).has_value());
  EXPECT_EQ(rig.store.wholes, 2u);
  EXPECT_EQ(rig.store.wrong_wholes, 0u);
}

TEST_F(QueueLoading, WhatIsSubmittedAgainIsNotGivenWhole) {
  enqueue_and_forget(1);
  const MessagePtr held = rig.find(1);
  rig.store.fail_next_batch = true;
  rig.store.reach_disk = 1;
  const auto settled = rig.settle(1, deferral(0, 1));
  rig.loop.advance(10ms);
  rig.reopen_after(1s);
  EXPECT_TRUE(rig.answer(settled).has_value());
  EXPECT_EQ(rig.store.wholes, 1u);
}

TEST_F(QueueLoading, RecoveryWithoutRepliesLeavesThemToTheStore) {
  mail::DeliveryState state;
  state.sequence = state.attempts = 1;
  state.results = {{0, RecipientStatus::deferred, "450 later"}};
  mail::DeliveryState large = state;
  for (std::uint32_t i = 1; i < 40; ++i)
    large.results.push_back({i, RecipientStatus::deferred, "450"});
  rig.put_on_disk(1, state);
  rig.put_on_disk(2, large);
  rig.store.leave_out_replies = true;
  rig.restart();
  EXPECT_EQ(rig.find(1)->state, state);
  EXPECT_EQ((*look_at({2})[0])->state, large);
  EXPECT_EQ(reads_of(2), 1u);
}

TEST_F(QueueLoading, TwoWhoWantTheSameShareOneRead) {
  enqueue_and_forget(1);
  std::vector<MessagePtr> found;
  for (int i = 0; i < 2; ++i) {
    rig.queue->load(QueueId(1),
                    [&](const Result<MessagePtr>& message) { found.push_back(message.value()); });
  }
  rig.loop.wait_until([&] { return found.size() == 2; });
  EXPECT_EQ(found[0], found[1]);
  EXPECT_EQ(reads_of(1), 1u);
}

TEST_F(QueueLoading, FailsForWhatIsUnknownDamagedOrOutOfReach) {
  enqueue_and_forget(1);
  std::optional<Result<MessagePtr>> answer;
  const auto code_of = [&](std::uint64_t id) {
    answer.reset();
    rig.queue->load(QueueId(id), [&](Result<MessagePtr> message) { answer = std::move(message); });
    rig.loop.wait_until([&] { return answer.has_value(); });
    return answer->has_value() ? std::optional<ErrorCode>() : answer->error().code;
  };
  EXPECT_EQ(code_of(77), ErrorCode::not_found);
  rig.store.damage_contents();
  EXPECT_EQ(code_of(1), ErrorCode::corrupt);
  rig.store.fail_next_batch = true;
  (void)rig.enqueue_now(rig.message(2));
  EXPECT_EQ(code_of(1), ErrorCode::unavailable);
  EXPECT_EQ(look_at({1})[0].error().code, ErrorCode::unavailable);
}

TEST_F(QueueLoading, AMessageThatGoesWhileItIsReadIsNotFound) {
  enqueue_and_forget(1);
  std::optional<Result<MessagePtr>> answer;
  rig.store.block_look_ups();
  rig.queue->load(QueueId(1), [&](Result<MessagePtr> message) { answer = std::move(message); });
  EXPECT_TRUE(rig.discard_now(1).has_value());
  rig.store.unblock_look_ups();
  rig.loop.wait_until([&] { return answer.has_value(); });
  ASSERT_FALSE(answer->has_value());
  EXPECT_EQ(answer->error().code, ErrorCode::not_found);
}

TEST_F(QueueLoading, LooksAtManyInTheirOrderAndKeepsNone) {
  for (std::uint64_t id = 1; id <= 5; ++id) enqueue_and_forget(id);
  const MessagePtr held = rig.find(3);
  for (int round = 1; round <= 2; ++round) {
    const auto found = look_at({5, 77, 3, 1});
    ASSERT_THAT(found, SizeIs(4));
    EXPECT_EQ((*found[0])->id, QueueId(5));
    EXPECT_EQ(found[1].error().code, ErrorCode::not_found);
    EXPECT_EQ(*found[2], held);
    EXPECT_EQ((*found[3])->id, QueueId(1));
    EXPECT_EQ(reads_of(1), static_cast<std::size_t>(round));
  }
  EXPECT_EQ(reads_of(3), 1u);
}

TEST_F(QueueLoading, RecoveryKeepsOnlyWhatHasRoomOrIsNotShort) {
  mail::DeliveryState large;
  large.sequence = 1;
  for (std::uint32_t i = 0; i < 40; ++i) {
    large.results.push_back({i, RecipientStatus::deferred, "450 later"});
  }
  rig.put_on_disk(1, large);
  for (std::uint64_t id = 2; id <= 30; ++id) rig.put_on_disk(id);
  rig.restart();
  EXPECT_EQ(rig.queue->size(), 30u);
  EXPECT_EQ(rig.find(1)->state, large);
  EXPECT_EQ(rig.find(17)->id, QueueId(17));
  EXPECT_EQ(reads_of(1), 0u);
  EXPECT_EQ(reads_of(17), 1u);
}

}  // namespace
}  // namespace brevdue::tests
