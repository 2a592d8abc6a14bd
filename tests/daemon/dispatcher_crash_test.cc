// Delivery processes that die with attempts under way.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/daemon/dispatcher_rig.h"

namespace brevdue::tests {
namespace {

using mail::RecipientStatus;
using testing::SizeIs;

TEST(DispatcherCrash, MakesWhatWasUnderWaySuspectDurably) {
  DispatcherRig rig;
  FakeDelivery& delivery = rig.attach();
  const mail::QueueId first = rig.enqueue({"1@b.example"});
  const mail::QueueId second = rig.enqueue({"1@c.example"});
  ASSERT_TRUE(rig.run_until_so([&] { return delivery.jobs.size() == 2; }));
  delivery.die();
  ASSERT_TRUE(rig.run_until_so([&] {
    return rig.state_on_disk(first).suspect == 1 && rig.state_on_disk(second).suspect == 1;
  }));
  EXPECT_FALSE(rig.dispatcher->is_active(first));
  EXPECT_EQ(rig.state_on_disk(first).attempts, 0u);
}

TEST(DispatcherCrash, ASuspectMessageRunsAlone) {
  DispatcherRig rig;
  FakeDelivery& first = rig.attach(1);
  const mail::QueueId suspect = rig.enqueue({"1@b.example"});
  ASSERT_TRUE(rig.run_until_so([&] { return first.jobs.size() == 1; }));
  FakeDelivery& second = rig.attach(2);
  rig.enqueue({"1@c.example"});
  ASSERT_TRUE(rig.run_until_so([&] { return second.jobs.size() == 1; }));
  first.die();
  // The other process has something to do: the suspect one waits for its end, and nothing else is
  // given to that process meanwhile.
  ASSERT_TRUE(rig.run_until_so([&] { return rig.state_on_disk(suspect).suspect == 1; }));
  rig.run_all();
  const mail::QueueId other = rig.enqueue({"1@d.example"});
  rig.run_all();
  ASSERT_THAT(second.jobs, SizeIs(1));
  second.answer(0, RecipientStatus::relayed);
  ASSERT_TRUE(rig.run_until_so([&] { return second.jobs.size() == 2; }));
  rig.run_all();
  ASSERT_THAT(second.jobs, SizeIs(2));
  EXPECT_EQ(second.jobs[1].envelope.id, suspect);
  second.answer(1, RecipientStatus::relayed);
  ASSERT_TRUE(rig.run_until_so([&] { return second.jobs.size() == 3; }));
  EXPECT_EQ(second.jobs[2].envelope.id, other);
  ASSERT_TRUE(rig.run_until_so([&] { return !rig.on_disk(suspect); }));
}

TEST(DispatcherCrash, AfterThreeTheMessageIsHeld) {
  DispatcherRig rig;
  const mail::QueueId id = rig.enqueue({"1@b.example"});
  for (std::uint32_t crash = 1; crash <= 3; ++crash) {
    FakeDelivery& delivery = rig.attach(static_cast<std::uint16_t>(crash));
    ASSERT_TRUE(rig.run_until_so([&] { return delivery.jobs.size() == 1; }));
    EXPECT_FALSE(rig.state_on_disk(id).held);
    delivery.die();
    ASSERT_TRUE(rig.run_until_so([&] { return rig.state_on_disk(id).suspect == crash; }));
  }
  EXPECT_TRUE(rig.state_on_disk(id).held);
  EXPECT_TRUE(rig.log.says("held: delivery crashed 3 times"));
  FakeDelivery& last = rig.attach(9);
  const mail::QueueId other = rig.enqueue({"1@b.example"});
  ASSERT_TRUE(rig.run_until_so([&] { return last.jobs.size() == 1; }));
  EXPECT_EQ(last.jobs[0].envelope.id, other);
  // The operator has looked at it: it counts anew.
  bool released = false;
  rig.release(id, [&](const Result<void>& result) { released = result.has_value(); });
  ASSERT_TRUE(rig.run_until_so([&] { return released && last.jobs.size() == 2; }));
  EXPECT_EQ(last.jobs[1].envelope.id, id);
  EXPECT_EQ(rig.state_on_disk(id).suspect, 0u);
}

TEST(DispatcherCrash, OneThatEndsWellIsSuspectNoMore) {
  DispatcherRig rig;
  FakeDelivery& first = rig.attach(1);
  const mail::QueueId id = rig.enqueue({"1@b.example"});
  ASSERT_TRUE(rig.run_until_so([&] { return first.jobs.size() == 1; }));
  first.die();
  FakeDelivery& second = rig.attach(2);
  ASSERT_TRUE(rig.run_until_so([&] { return second.jobs.size() == 1; }));
  second.answer(0, RecipientStatus::deferred, "451 later");
  ASSERT_TRUE(rig.run_until_so([&] { return rig.state_on_disk(id).attempts > 0; }));
  EXPECT_EQ(rig.state_on_disk(id).suspect, 0u);
}

TEST(DispatcherCrash, WhereOneWaitsToRunAloneItIsHandedToAnother) {
  DispatcherRig rig;
  FakeDelivery& first = rig.attach(1);
  const mail::QueueId suspect = rig.enqueue({"1@b.example"});
  ASSERT_TRUE(rig.run_until_so([&] { return first.jobs.size() == 1; }));
  FakeDelivery& second = rig.attach(2);
  const mail::QueueId other = rig.enqueue({"1@c.example"});
  ASSERT_TRUE(rig.run_until_so([&] { return second.jobs.size() == 1; }));
  first.die();
  ASSERT_TRUE(rig.run_until_so([&] { return rig.state_on_disk(suspect).suspect == 1; }));
  rig.run_all();
  second.die();
  ASSERT_TRUE(rig.run_until_so([&] { return rig.state_on_disk(other).suspect == 1; }));
  EXPECT_EQ(rig.state_on_disk(suspect).suspect, 1u);
  FakeDelivery& third = rig.attach(3);
  ASSERT_TRUE(rig.run_until_so([&] { return third.jobs.size() == 1; }));
  rig.run_all();
  EXPECT_THAT(third.jobs, SizeIs(1));
  third.answer(0, RecipientStatus::relayed);
  ASSERT_TRUE(rig.run_until_so([&] { return third.jobs.size() == 2; }));
  third.answer(1, RecipientStatus::relayed);
  ASSERT_TRUE(rig.run_until_so([&] { return rig.queue->size() == 0; }));
}

TEST(DispatcherCrash, ADrainGivesBackWhatWaitsToRunAlone) {
  DispatcherRig rig;
  FakeDelivery& first = rig.attach(1);
  const mail::QueueId suspect = rig.enqueue({"1@b.example"});
  ASSERT_TRUE(rig.run_until_so([&] { return first.jobs.size() == 1; }));
  FakeDelivery& second = rig.attach(2);
  rig.enqueue({"1@c.example"});
  ASSERT_TRUE(rig.run_until_so([&] { return second.jobs.size() == 1; }));
  first.die();
  ASSERT_TRUE(rig.run_until_so([&] { return rig.state_on_disk(suspect).suspect == 1; }));
  rig.run_all();
  bool drained = false;
  rig.dispatcher->drain([&] { drained = true; });
  second.answer(0, RecipientStatus::relayed);
  ASSERT_TRUE(rig.run_until_so([&] { return drained; }));
  EXPECT_THAT(second.jobs, SizeIs(1));
  EXPECT_TRUE(rig.on_disk(suspect));
}

}  // namespace
}  // namespace brevdue::tests
