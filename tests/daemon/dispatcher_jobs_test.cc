// The way out: what delivery processes are given, and when.
#include <gtest/gtest.h>

#include "tests/daemon/dispatcher_rig.h"

namespace brevdue::tests {
namespace {

using mail::RecipientStatus;
using namespace std::chrono_literals;

// A message that was deferred once and is no longer in memory.
mail::QueueId defer_and_forget(DispatcherRig& rig, FakeDelivery& delivery) {
  const mail::QueueId id = rig.enqueue({"1@b.example"});
  EXPECT_TRUE(rig.run_until_so([&] { return delivery.jobs.size() == 1; }));
  delivery.answer(0, RecipientStatus::deferred, "451 later");
  EXPECT_TRUE(rig.run_until_so([&] { return rig.state_on_disk(id).attempts == 1; }));
  rig.enqueue({"1@c.example"});
  EXPECT_TRUE(rig.run_until_so([&] { return delivery.jobs.size() == 2; }));
  return id;
}

TEST(DispatcherJobs, AMessageIsHandedOutOnce) {
  DispatcherRig rig;
  FakeDelivery& first = rig.attach(1);
  FakeDelivery& second = rig.attach(2);
  const mail::QueueId id = rig.enqueue({"b@b.example"});
  ASSERT_TRUE(rig.run_until_so([&] { return first.jobs.size() + second.jobs.size() == 1; }));
  rig.run_all();
  EXPECT_EQ(first.jobs.size() + second.jobs.size(), 1u);
  FakeDelivery& busy = first.jobs.empty() ? second : first;
  EXPECT_EQ(busy.jobs[0].envelope.id, id);
  EXPECT_EQ(busy.jobs[0].next_hop, "b.example");
  EXPECT_TRUE(busy.jobs[0].content.view().ends_with("Hello.\r\n"));
  EXPECT_TRUE(rig.dispatcher->is_active(id));
  busy.answer(0, RecipientStatus::relayed);
  ASSERT_TRUE(rig.run_until_so([&] { return !rig.is_queued(id); }));
  EXPECT_FALSE(rig.on_disk(id));
  EXPECT_FALSE(rig.dispatcher->is_active(id));
}

TEST(DispatcherJobs, OneForEachDestinationOfAMessage) {
  DispatcherRig rig;
  FakeDelivery& delivery = rig.attach();
  const mail::QueueId id = rig.enqueue({"1@b.example", "2@c.example", "3@B.example"});
  ASSERT_TRUE(rig.run_until_so([&] { return delivery.jobs.size() == 2; }));
  const std::size_t b = delivery.jobs[0].next_hop == "b.example" ? 0 : 1;
  EXPECT_EQ(delivery.jobs[b].recipients, (std::vector<std::uint32_t>{0, 2}));
  EXPECT_EQ(delivery.jobs[1 - b].recipients, (std::vector<std::uint32_t>{1}));
  delivery.answer(b, RecipientStatus::relayed);
  ASSERT_TRUE(rig.run_until_so([&] { return rig.state_on_disk(id).results.size() == 2; }));
  EXPECT_TRUE(rig.on_disk(id));
  delivery.answer(1 - b, RecipientStatus::relayed);
  ASSERT_TRUE(rig.run_until_so([&] { return !rig.on_disk(id); }));
}

TEST(DispatcherJobs, NoMoreThanTheCredit) {
  auto options = DispatcherRig::default_options();
  options.jobs_per_delivery_max = 2;
  DispatcherRig rig(options);
  FakeDelivery& delivery = rig.attach();
  for (int i = 0; i < 5; ++i) rig.enqueue({"b@b.example"});
  ASSERT_TRUE(rig.run_until_so([&] { return delivery.jobs.size() == 2; }));
  rig.run_all();
  EXPECT_EQ(delivery.jobs.size(), 2u);
  delivery.answer(0, RecipientStatus::relayed);
  ASSERT_TRUE(rig.run_until_so([&] { return delivery.jobs.size() == 3; }));
  rig.run_all();
  EXPECT_EQ(delivery.jobs.size(), 3u);
}

TEST(DispatcherJobs, WaitForADeliveryProcess) {
  DispatcherRig rig;
  const mail::QueueId id = rig.enqueue({"b@b.example"});
  rig.run_all();
  FakeDelivery& delivery = rig.attach();
  ASSERT_TRUE(rig.run_until_so([&] { return delivery.jobs.size() == 1; }));
  EXPECT_EQ(delivery.jobs[0].envelope.id, id);
}

TEST(DispatcherJobs, AMessageOfManySlicesIsRelayedWhole) {
  auto options = DispatcherRig::default_options();
  options.scheduler.slice_recipients = 3;
  DispatcherRig rig(options);
  FakeDelivery& delivery = rig.attach();
  std::vector<std::string> recipients;
  for (int i = 0; i < 20; ++i) {
    recipients.push_back(std::to_string(i) + (i % 3 == 0 ? "@c.example" : "@b.example"));
  }
  const mail::QueueId id = rig.enqueue(recipients);
  std::vector<int> asked(recipients.size(), 0);
  for (std::size_t done = 0; rig.on_disk(id);) {
    ASSERT_TRUE(rig.run_until_so([&] { return delivery.jobs.size() > done; }));
    for (; done < delivery.jobs.size(); ++done) {
      for (const std::uint32_t recipient : delivery.jobs[done].recipients) ++asked.at(recipient);
      delivery.answer(done, RecipientStatus::relayed);
    }
    ASSERT_TRUE(rig.run_until_so([&] { return delivery.jobs.size() > done || !rig.on_disk(id); }));
  }
  EXPECT_EQ(asked, std::vector<int>(recipients.size(), 1));
}

TEST(DispatcherJobs, ADrainingProcessGetsNoMoreAndIsLetGo) {
  DispatcherRig rig;
  FakeDelivery& old = rig.attach(1);
  const mail::QueueId first = rig.enqueue({"b@b.example"});
  ASSERT_TRUE(rig.run_until_so([&] { return old.jobs.size() == 1; }));
  old.send_draining();
  FakeDelivery& fresh = rig.attach(2);
  rig.run_all();
  rig.enqueue({"b@b.example"});
  ASSERT_TRUE(rig.run_until_so([&] { return fresh.jobs.size() == 1; }));
  EXPECT_FALSE(old.is_closed());
  old.answer(0, RecipientStatus::relayed);
  ASSERT_TRUE(rig.run_until_so([&] { return old.is_closed(); }));
  ASSERT_TRUE(rig.run_until_so([&] { return !rig.on_disk(first); }));
  EXPECT_EQ(old.jobs.size(), 1u);
}

TEST(DispatcherJobs, NoneWhileTheStoreIsUnavailable) {
  DispatcherRig rig;
  FakeDelivery& delivery = rig.attach();
  const mail::QueueId first = rig.enqueue({"b@b.example"});
  ASSERT_TRUE(rig.run_until_so([&] { return delivery.jobs.size() == 1; }));
  const mail::QueueId second = rig.enqueue({"b@c.example"});
  ASSERT_TRUE(rig.run_until_so([&] { return delivery.jobs.size() == 2; }));
  rig.tap.broken = true;
  delivery.answer(0, RecipientStatus::relayed);
  ASSERT_TRUE(rig.run_until_so([&] { return rig.log.says("gives up its store"); }));
  delivery.answer(1, RecipientStatus::deferred, "451 later");
  rig.run_all();
  rig.dispatcher->flush();
  rig.run_all();
  EXPECT_EQ(delivery.jobs.size(), 2u);
  EXPECT_TRUE(rig.on_disk(first));
  rig.tap.broken = false;
  ASSERT_TRUE(rig.run_until_so([&] { return rig.log.says("queue is open again"); }));
  ASSERT_TRUE(rig.run_until_so([&] { return !rig.on_disk(first); }));
  ASSERT_TRUE(rig.run_until_so([&] { return rig.state_on_disk(second).attempts == 1; }));
  ASSERT_TRUE(rig.run_until_so([&] { return delivery.jobs.size() == 3; }));
  EXPECT_EQ(delivery.jobs[2].envelope.id, second);
}

TEST(DispatcherJobs, WhoseContentCannotBeReadNowCountForNothing) {
  DispatcherRig rig;
  FakeDelivery& delivery = rig.attach();
  const mail::QueueId id = rig.enqueue({"1@b.example"});
  ASSERT_TRUE(rig.run_until_so([&] { return delivery.jobs.size() == 1; }));
  // A settled message is not in the cache any more.
  delivery.answer(0, RecipientStatus::deferred, "451 later");
  ASSERT_TRUE(rig.run_until_so([&] { return rig.state_on_disk(id).attempts == 1; }));
  rig.tap.refuse_reads = true;
  rig.dispatcher->flush();
  ASSERT_TRUE(rig.run_until_so([&] { return rig.tap.reads_refused == 1; }));
  rig.tap.refuse_reads = false;
  ASSERT_TRUE(rig.run_until_so([&] { return !rig.dispatcher->is_active(id); }));
  EXPECT_EQ(delivery.jobs.size(), 1u);
  EXPECT_EQ(rig.state_on_disk(id).attempts, 1u);
  rig.pass(1min);
  ASSERT_TRUE(rig.run_until_so([&] { return delivery.jobs.size() == 2; }));
}

TEST(DispatcherJobs, WhoseMessageCannotBeLoadedNowCountForNothing) {
  DispatcherRig rig(DispatcherRig::default_options(), 0);
  FakeDelivery& delivery = rig.attach();
  const mail::QueueId id = defer_and_forget(rig, delivery);
  rig.tap.refuse_reads = true;
  rig.dispatcher->flush();
  ASSERT_TRUE(rig.run_until_so([&] { return rig.tap.reads_refused == 1; }));
  rig.tap.refuse_reads = false;
  EXPECT_EQ(delivery.jobs.size(), 2u);
  EXPECT_EQ(rig.state_on_disk(id).attempts, 1u);
  ASSERT_TRUE(rig.pass_until_so([&] { return delivery.jobs.size() == 3; }));
  EXPECT_EQ(delivery.jobs[2].envelope.id, id);
}

TEST(DispatcherJobs, WhoseMessageIsDamagedAreHeldAndTheLogSaysSo) {
  DispatcherRig rig(DispatcherRig::default_options(), 0);
  FakeDelivery& delivery = rig.attach();
  const mail::QueueId id = defer_and_forget(rig, delivery);
  rig.tap.refusal = ErrorCode::corrupt;
  rig.tap.refuse_reads = true;
  rig.dispatcher->flush();
  ASSERT_TRUE(
      rig.run_until_so([&] { return rig.log.says(id.text() + ": held until the next start"); }));
  rig.tap.refuse_reads = false;
  rig.pass(24h);
  EXPECT_EQ(delivery.jobs.size(), 2u);
  EXPECT_TRUE(rig.is_queued(id));
}

TEST(DispatcherJobs, FollowAChangeOfTheRelayHost) {
  auto options = DispatcherRig::default_options();
  options.relay_host = "old.example:25";
  DispatcherRig rig(options);
  FakeDelivery& delivery = rig.attach();
  const mail::QueueId id = rig.enqueue({"1@b.example", "2@c.example", "3@b.example"});
  ASSERT_TRUE(rig.run_until_so([&] { return delivery.jobs.size() == 1; }));
  EXPECT_EQ(delivery.jobs[0].next_hop, "relay:old.example:25");
  delivery.answer(0, RecipientStatus::deferred, "451 later");
  ASSERT_TRUE(rig.run_until_so([&] { return rig.state_on_disk(id).attempts == 1; }));

  options.relay_host = "new.example:25";
  rig.dispatcher->configure(options);
  EXPECT_EQ(rig.dispatcher->flush(), 1u);
  ASSERT_TRUE(rig.run_until_so([&] { return delivery.jobs.size() == 2; }));
  EXPECT_EQ(delivery.jobs[1].next_hop, "relay:new.example:25");
  EXPECT_EQ(delivery.jobs[1].recipients, (std::vector<std::uint32_t>{0, 1, 2}));
  delivery.answer(1, RecipientStatus::deferred, "451 later");
  ASSERT_TRUE(rig.run_until_so([&] { return rig.state_on_disk(id).attempts == 2; }));

  options.relay_host.clear();
  rig.dispatcher->configure(options);
  EXPECT_EQ(rig.dispatcher->flush(), 1u);
  ASSERT_TRUE(rig.run_until_so([&] { return delivery.jobs.size() == 4; }));
  const std::size_t b = delivery.jobs[2].next_hop == "b.example" ? 2 : 3;
  EXPECT_EQ(delivery.jobs[b].next_hop, "b.example");
  EXPECT_EQ(delivery.jobs[b].recipients, (std::vector<std::uint32_t>{0, 2}));
  EXPECT_EQ(delivery.jobs[5 - b].recipients, (std::vector<std::uint32_t>{1}));
}

}  // namespace
}  // namespace brevdue::tests
