// DSNs and the messages they answer: neither is ever missing from the disk.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/queue/queue_rig.h"

namespace brevdue::tests {

namespace {
using namespace std::chrono_literals;
using testing::ElementsAre;

constexpr std::uint64_t little_room = 1 << 20;

class QueueNotices : public testing::Test {
 protected:
  void start_with_room(std::uint64_t room) {
    rig_.store.disk.room = room;
    rig_.start();
    ASSERT_TRUE(rig_.enqueue_now(rig_.message(1)).has_value());
    rig_.store.batches.clear();
  }

  std::vector<queue::NewMessage> notices(std::initializer_list<std::uint64_t> ids) {
    std::vector<queue::NewMessage> made;
    for (const std::uint64_t id : ids) made.push_back(rig_.message(id));
    return made;
  }

  QueueRig rig_;
};

TEST_F(QueueNotices, AreDurableBeforeASettle) {
  start_with_room(UINT64_MAX);
  ASSERT_TRUE(rig_.answer(rig_.settle(1, {}, notices({10}))).has_value());
  EXPECT_THAT(rig_.store.batches,
              ElementsAre(ElementsAre("enqueue 10"), ElementsAre("settle 1 #1")));
  EXPECT_EQ(rig_.count("queued 10"), 1u);
}

TEST_F(QueueNotices, AreDurableBeforeADiscard) {
  start_with_room(UINT64_MAX);
  ASSERT_TRUE(rig_.answer(rig_.discard(1, notices({10, 11}))).has_value());
  EXPECT_THAT(rig_.store.batches, ElementsAre(ElementsAre("enqueue 11"), ElementsAre("enqueue 10"),
                                              ElementsAre("discard 1")));
  EXPECT_EQ(rig_.find(1), nullptr);
  EXPECT_NE(rig_.find(10), nullptr);
  EXPECT_NE(rig_.find(11), nullptr);
  EXPECT_TRUE(rig_.not_durable.empty());
}

TEST_F(QueueNotices, WithoutRoomTheMessageStaysUntilThereIs) {
  start_with_room(little_room);
  rig_.store.disk.room = 0;
  const auto which = rig_.discard(1, notices({10}));
  rig_.loop.advance(5s);
  EXPECT_FALSE(rig_.answers[which].has_value());
  EXPECT_TRUE(rig_.store.contains(1));
  EXPECT_FALSE(rig_.store.contains(10));
  rig_.store.disk.room = little_room;
  rig_.loop.advance(1s);
  ASSERT_TRUE(rig_.answer(which).has_value());
  EXPECT_FALSE(rig_.store.contains(1));
  EXPECT_TRUE(rig_.store.contains(10));
  EXPECT_EQ(rig_.count("queued 10"), 1u);
}

// Two destinations of one message: the DSN of one waits for room while the other is relayed.
TEST_F(QueueNotices, ADiscardDoesNotOvertakeADsnThatIsOwed) {
  start_with_room(little_room);
  rig_.store.disk.room = 0;
  const auto settled = rig_.settle(1, {}, notices({10}));
  const auto discarded = rig_.discard(1);
  rig_.loop.advance(5s);
  EXPECT_TRUE(rig_.store.contains(1));
  rig_.store.disk.room = little_room;
  rig_.loop.advance(2s);
  EXPECT_TRUE(rig_.answer(settled).has_value());
  EXPECT_TRUE(rig_.answer(discarded).has_value());
  EXPECT_TRUE(rig_.store.contains(10));
  EXPECT_FALSE(rig_.store.contains(1));
}

TEST_F(QueueNotices, DeltasOfAMessageKeepTheirOrderWhileOneWaitsForRoom) {
  start_with_room(little_room);
  rig_.store.disk.room = 0;
  mail::Settlement failed;
  failed.results.push_back({0, mail::RecipientStatus::failed, "550 no"});
  mail::Settlement relayed;
  relayed.results.push_back({1, mail::RecipientStatus::relayed, "250 yes"});
  rig_.settle(1, failed, notices({10}));
  rig_.settle(1, relayed);
  rig_.loop.advance(5s);
  rig_.store.disk.room = little_room;
  rig_.loop.advance(2s);
  EXPECT_EQ(rig_.store.disk.messages.at(mail::QueueId(1)).state, rig_.find(1)->state);
  EXPECT_EQ(rig_.find(1)->state.open_recipients(2), 0u);
}

// The store thought there was room, and there was not.
TEST_F(QueueNotices, RefusedTheyKeepTheirMessage) {
  constexpr std::size_t enough = 33u << 20;
  start_with_room(enough);
  std::vector<queue::NewMessage> large;
  large.push_back(rig_.message(10, std::string(enough, 'x')));
  const auto which = rig_.discard(1, std::move(large));
  rig_.loop.advance(5s);
  EXPECT_FALSE(rig_.answers[which].has_value());
  EXPECT_TRUE(rig_.store.contains(1));
  EXPECT_FALSE(rig_.store.contains(10));
  rig_.store.disk.room = UINT64_MAX;
  rig_.loop.advance(1s);
  EXPECT_TRUE(rig_.answer(which).has_value());
  EXPECT_FALSE(rig_.store.contains(1));
  EXPECT_TRUE(rig_.store.contains(10));
  EXPECT_EQ(rig_.count("queued 10"), 1u);
}

TEST_F(QueueNotices, OfAFailedBatchAreNotEnqueuedTwice) {
  start_with_room(UINT64_MAX);
  rig_.store.fail_next_batch = true;
  rig_.store.reach_disk = 1;  // the DSN, and nobody was told
  const auto which = rig_.discard(1, notices({10}));
  rig_.loop.advance(10ms);
  rig_.reopen_after(500ms);
  rig_.loop.advance(2s);
  EXPECT_TRUE(rig_.answer(which).has_value());
  EXPECT_EQ(rig_.count("queued 10"), 1u);
  EXPECT_EQ(rig_.store.duplicates, 0u);
  EXPECT_EQ(rig_.find(1), nullptr);
  EXPECT_TRUE(rig_.store.contains(10));
}

TEST_F(QueueNotices, WaitingForRoomSurviveAFailureOfTheStore) {
  start_with_room(little_room);
  rig_.store.disk.room = 0;
  const auto settled = rig_.settle(1, {}, notices({10}));
  const auto discarded = rig_.discard(1);
  rig_.loop.advance(100ms);
  rig_.store.disk.room = little_room;
  rig_.store.fail_next_batch = true;
  rig_.store.reach_disk = 1;
  rig_.loop.advance(1s);  // the DSN is on the disk, and nobody was told
  EXPECT_FALSE(rig_.queue->is_available());
  rig_.reopen_after(500ms);
  rig_.loop.advance(2s);
  EXPECT_TRUE(rig_.answer(settled).has_value());
  EXPECT_TRUE(rig_.answer(discarded).has_value());
  EXPECT_EQ(rig_.count("queued 10"), 1u);
  EXPECT_EQ(rig_.store.duplicates, 0u);
  EXPECT_EQ(rig_.find(1), nullptr);
}

TEST_F(QueueNotices, OfAFailedBatchAreSubmittedAgainWithTheirMessage) {
  start_with_room(UINT64_MAX);
  rig_.store.fail_next_batch = true;
  const auto which = rig_.settle(1, {}, notices({10}));
  rig_.loop.advance(10ms);
  EXPECT_FALSE(rig_.answers[which].has_value());
  rig_.reopen_after(500ms);
  rig_.loop.advance(2s);
  EXPECT_TRUE(rig_.answer(which).has_value());
  EXPECT_EQ(rig_.store.batches.back(), std::vector<std::string>{"settle 1 #1"});
  EXPECT_TRUE(rig_.store.contains(10));
  EXPECT_EQ(rig_.count("queued 10"), 1u);
}
}  // namespace

}  // namespace brevdue::tests
