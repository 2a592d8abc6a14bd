// Recovery at start: in slices, beside intake, and what it does with damage.
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/queue/queue_rig.h"

namespace brevdue::tests {

namespace {
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

TEST(QueueRecovery, FindsMessagesWithTheirStates) {
  QueueRig rig;
  mail::DeliveryState state;
  state.sequence = 4;
  state.attempts = 3;
  state.held = true;
  state.results.push_back({1, mail::RecipientStatus::deferred, "450 later"});
  rig.put_on_disk(1, state);
  rig.put_on_disk(2);
  rig.start();
  EXPECT_THAT(rig.events, UnorderedElementsAre("queued 1", "queued 2", "recovered 2"));
  EXPECT_EQ(rig.events.back(), "recovered 2");
  EXPECT_EQ(rig.find(1)->state, state);
  EXPECT_EQ(rig.find(1)->next_sequence, 5u);
  EXPECT_EQ(rig.find(2)->next_sequence, 1u);
  EXPECT_EQ(rig.find(2)->size, 13u);
  EXPECT_EQ(rig.find(2)->recipient_count, 2u);
  EXPECT_EQ(rig.read(2).value(), "Received: x\r\n");
}

TEST(QueueRecovery, GoesInSlicesSoThatTheLoopGoesOn) {
  QueueRig rig;
  for (std::uint64_t id = 1; id <= 1000; ++id) rig.put_on_disk(id);
  ASSERT_TRUE(rig.queue->start().has_value());
  std::size_t largest = 0;
  std::size_t before = 0;
  rig.loop.after_each_task = [&] {
    largest = std::max(largest, rig.queue->size() - before);
    before = rig.queue->size();
  };
  rig.loop.wait_until([&] { return !rig.queue->recovering(); });
  EXPECT_EQ(rig.queue->size(), 1000u);
  EXPECT_GT(largest, 1u);
  EXPECT_LE(largest, 256u);
  EXPECT_EQ(rig.events.back(), "recovered 1000");
}

// Has so many messages that recovery waits for the loop, which stands still, with 64 slices of 256.
class LargeRecovery : public testing::Test {
 protected:
  void SetUp() override {
    for (std::uint64_t id = 1; id <= messages; ++id) rig.put_on_disk(id);
    ASSERT_TRUE(rig.queue->start().has_value());
    while (rig.loop.posted() < 64) std::this_thread::yield();
  }
  static constexpr std::size_t messages = 20'000;
  QueueRig rig;
};

TEST_F(LargeRecovery, DoesNotRunAheadOfTheLoop) {
  std::this_thread::sleep_for(50ms);  // for one that does
  EXPECT_EQ(rig.loop.posted(), 64u);
  rig.loop.wait_until([&] { return !rig.queue->recovering(); });
  EXPECT_EQ(rig.queue->size(), messages);
  EXPECT_EQ(rig.events.back(), "recovered 20000");
}

TEST_F(LargeRecovery, EndsWithTheQueueWhileItWaitsForTheLoop) {
  rig.queue.reset();
  rig.loop.run_posted();
  EXPECT_TRUE(rig.events.empty());
}

TEST(QueueRecovery, IntakeDoesNotWaitForIt) {
  QueueRig rig;
  rig.put_on_disk(1);
  rig.store.block_recovery();
  ASSERT_TRUE(rig.queue->start().has_value());
  EXPECT_TRUE(rig.queue->recovering());
  EXPECT_TRUE(rig.queue->is_available());
  ASSERT_TRUE(rig.enqueue_now(rig.message(2)).has_value());
  ASSERT_TRUE(rig.settle_now(2).has_value());
  EXPECT_THAT(rig.events, ElementsAre("queued 2"));
  rig.store.unblock_recovery();
  rig.loop.wait_until([&] { return !rig.queue->recovering(); });
  EXPECT_THAT(rig.events, ElementsAre("queued 2", "queued 1", "recovered 1"));
  EXPECT_EQ(rig.find(2)->next_sequence, 2u);
}

TEST(QueueRecovery, RemovesStagedFilesWithoutARecordAfterItsEnd) {
  QueueRig rig;
  rig.start();
  ASSERT_TRUE(rig.enqueue_now(rig.staged_message(1, "kept")).has_value());
  rig.queue.reset();
  rig.staged.write(rig.staged_path(2), "left by a crash");
  rig.staged.write(rig.staged_path(3) + ".part", "half");
  rig.store.block_recovery();
  rig.remake();
  ASSERT_TRUE(rig.queue->start().has_value());
  const queue::NewMessage fresh = rig.staged_message(4, "fresh");
  EXPECT_TRUE(rig.staged.contains(rig.staged_path(2)));
  rig.store.unblock_recovery();
  rig.loop.wait_until([&] { return !rig.queue->recovering(); });
  rig.staging_idle();
  EXPECT_TRUE(rig.staged.contains(rig.staged_path(1)));
  EXPECT_FALSE(rig.staged.contains(rig.staged_path(2)));
  EXPECT_FALSE(rig.staged.contains(rig.staged_path(3) + ".part"));
  EXPECT_TRUE(rig.staged.contains(rig.staged_path(4)));  // on its way; not known yet
}

// Its record may be what is damaged.
TEST(QueueRecovery, StagedFilesWithoutARecordAreKeptAsideWhereThereIsDamage) {
  QueueRig rig;
  rig.start();
  ASSERT_TRUE(rig.enqueue_now(rig.staged_message(1, "kept")).has_value());
  rig.queue.reset();
  rig.staged.write(rig.staged_path(2), "the content of a lost one");
  rig.store.report_damage({"log.000001+4096", "checksum"});
  rig.remake();
  ASSERT_TRUE(rig.queue->start().has_value());
  rig.loop.wait_until([&] { return !rig.queue->recovering(); });
  rig.staging_idle();
  EXPECT_TRUE(rig.staged.contains(rig.staged_path(1)));
  EXPECT_FALSE(rig.staged.contains(rig.staged_path(2)));
  EXPECT_EQ(rig.staged.read(rig.staged_path(2) + ".content"), "the content of a lost one");
  EXPECT_THAT(rig.log_text(),
              HasSubstr(rig.staged_path(2) + ".content: its message was not found"));
}

TEST(QueueRecovery, AnEnvelopeThatCannotBeReadIsLeftOnTheDisk) {
  QueueRig rig;
  rig.put_on_disk(1);
  rig.put_on_disk(2);
  rig.put_on_disk(3);
  rig.store.disk.messages.at(mail::QueueId(1)).envelope = SharedBytes("\x7f of a later version");
  rig.store.disk.messages.at(mail::QueueId(2)).envelope = rig.message(9).envelope;
  rig.staged.write(rig.staged_path(1), "its content");
  rig.start();
  rig.staging_idle();
  EXPECT_EQ(rig.queue->size(), 1u);
  EXPECT_TRUE(rig.store.contains(1));
  EXPECT_TRUE(rig.store.contains(2));
  EXPECT_TRUE(rig.staged.contains(rig.staged_path(1)));
  EXPECT_THAT(rig.log_text(), HasSubstr(mail::QueueId(1).text() + ": its envelope cannot be read"));
  EXPECT_THAT(rig.log_text(), HasSubstr(mail::QueueId(2).text() + ": its envelope cannot be read"));
}

TEST(QueueRecovery, DamageIsLogged) {
  QueueRig rig;
  rig.put_on_disk(1);
  rig.store.report_damage({"log.000001+4096", "checksum"});
  rig.start();
  EXPECT_EQ(rig.queue->size(), 1u);
  EXPECT_THAT(rig.log_text(), HasSubstr("error: quarantined log.000001+4096: checksum"));
}

TEST(QueueRecovery, ThatFailsIsTriedAgainWithAnotherStore) {
  QueueRig rig;
  for (std::uint64_t id = 1; id <= 300; ++id) rig.put_on_disk(id);
  rig.store.fail_recoveries(1);
  rig.start();
  EXPECT_FALSE(rig.queue->is_available());
  EXPECT_EQ(rig.count("unavailable"), 1u);
  EXPECT_EQ(rig.count("recovered 300"), 0u);
  rig.reopen_after(500ms);
  EXPECT_EQ(rig.store.stores, 2u);
  EXPECT_EQ(rig.count("recovered 300"), 1u);
  EXPECT_EQ(rig.events.back(), "available");
  for (std::uint64_t id = 1; id <= 300; ++id) {
    EXPECT_EQ(rig.count("queued " + std::to_string(id)), 1u);
    EXPECT_EQ(rig.read(id).value(), "Received: x\r\n");
  }
  // Some had been found by the first store.
  for (std::uint64_t id = 1; id <= 300; ++id) rig.discard(id);
  EXPECT_TRUE(rig.discard_now(1).error().code == ErrorCode::not_found);
  EXPECT_EQ(rig.queue->size(), 0u);
  EXPECT_EQ(rig.store.stale, 0u);
}

// The store fails while its recovery is still under way: the end of that recovery says nothing
// about the store that comes after it.
TEST(QueueRecovery, OfAStoreThatFailedMeanwhileDoesNotCount) {
  QueueRig rig;
  rig.put_on_disk(1);
  rig.store.block_recovery();
  ASSERT_TRUE(rig.queue->start().has_value());
  ASSERT_TRUE(rig.enqueue_now(rig.message(2)).has_value());
  rig.store.fail_next_batch = true;
  EXPECT_EQ(rig.enqueue_now(rig.message(3)).error().code, ErrorCode::io_failure);
  rig.store.unblock_recovery();
  rig.loop.wait_until([&] { return rig.queue->size() == 2; });
  rig.loop.advance(100ms);
  EXPECT_FALSE(rig.queue->is_available());
  EXPECT_EQ(rig.count("available"), 0u);
  const auto discarded = rig.discard(2);
  rig.reopen_after(400ms);
  EXPECT_TRUE(rig.answer(discarded).has_value());
  EXPECT_EQ(rig.count("unavailable"), 1u);
  EXPECT_EQ(rig.count("available"), 1u);
  EXPECT_EQ(rig.count("queued 1"), 1u);
  EXPECT_EQ(rig.count("queued 2"), 1u);
  rig.loop.advance(1min);
  EXPECT_EQ(rig.store.stores, 2u);
  EXPECT_EQ(rig.store.stale, 0u);
  EXPECT_TRUE(rig.discard_now(1).has_value());
}

TEST(QueueRecovery, AfterAFailureDuringItMissingMessagesAreReported) {
  QueueRig rig;
  rig.store.block_recovery();
  ASSERT_TRUE(rig.queue->start().has_value());
  ASSERT_TRUE(rig.enqueue_now(rig.message(1)).has_value());
  rig.store.fail_next_batch = true;
  EXPECT_FALSE(rig.enqueue_now(rig.message(2)).has_value());
  rig.store.disk.messages.clear();
  rig.store.unblock_recovery();
  rig.reopen_after(500ms);
  EXPECT_EQ(rig.queue->size(), 0u);
  EXPECT_THAT(rig.log_text(), HasSubstr(mail::QueueId(1).text() + ": no longer in the store"));
}

TEST(QueueRecovery, EndsEarlyWithTheQueue) {
  QueueRig rig;
  rig.put_on_disk(1);
  rig.store.block_recovery();
  ASSERT_TRUE(rig.queue->start().has_value());
  rig.queue.reset();
  rig.loop.run_posted();
  EXPECT_TRUE(rig.events.empty());
}
}  // namespace

}  // namespace brevdue::tests
