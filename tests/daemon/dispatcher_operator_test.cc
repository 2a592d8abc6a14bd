// What the operator does, while attempts are under way and otherwise.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/daemon/dispatcher_rig.h"

namespace brevdue::tests {
namespace {

using mail::RecipientStatus;
using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::SizeIs;

class DispatcherOperator : public OnDiskAndInMemory {
 protected:
  daemon::Dispatcher::Done remember() {
    return [this](const Result<void>& result) { answer = result; };
  }
  bool answered() {
    return rig.run_until_so([this] { return answer.has_value(); }) && answer->has_value();
  }
  bool has_jobs(std::size_t count) {
    return rig.run_until_so([this, count] { return delivery.jobs.size() == count; });
  }

  DispatcherRig rig{DispatcherRig::default_options(), GetParam()};
  FakeDelivery& delivery = rig.attach();
  std::optional<Result<void>> answer;
};

TEST_P(DispatcherOperator, AHoldDuringAnAttemptHoldsWhatThatDefers) {
  const mail::QueueId id = rig.enqueue({"1@b.example", "2@b.example"});
  ASSERT_TRUE(has_jobs(1));
  rig.hold(id, remember());
  ASSERT_TRUE(answered());
  EXPECT_TRUE(rig.state_on_disk(id).held);
  delivery.answer(0, RecipientStatus::deferred, "451 later");
  ASSERT_TRUE(rig.run_until_so([&] { return rig.state_on_disk(id).attempts == 1; }));
  EXPECT_TRUE(rig.state_on_disk(id).held);
  rig.pass(24h);
  EXPECT_THAT(delivery.jobs, SizeIs(1));
  rig.release(id, remember());
  ASSERT_TRUE(has_jobs(2));
  EXPECT_FALSE(rig.state_on_disk(id).held);
}

TEST_P(DispatcherOperator, AHoldDuringAnAttemptThatRelaysIsOfNoUse) {
  const mail::QueueId id = rig.enqueue({"1@b.example"});
  ASSERT_TRUE(has_jobs(1));
  rig.hold(id, remember());
  ASSERT_TRUE(answered());
  delivery.answer(0, RecipientStatus::relayed);
  ASSERT_TRUE(rig.run_until_so([&] { return !rig.on_disk(id); }));
}

TEST_P(DispatcherOperator, AHoldThatComesWhileADsnIsMadeStays) {
  const mail::QueueId id = rig.enqueue({"1@b.example", "2@c.example"});
  ASSERT_TRUE(has_jobs(2));
  const std::size_t b = delivery.jobs[0].next_hop == "b.example" ? 0 : 1;
  // The first settlement takes the content out of the cache: the next DSN has to wait for a read.
  delivery.answer(1 - b, RecipientStatus::deferred, "451 later");
  ASSERT_TRUE(rig.run_until_so([&] { return rig.state_on_disk(id).attempts == 1; }));
  delivery.answer(b, RecipientStatus::failed, "550 no");
  ASSERT_TRUE(rig.run_until_so([&] {
    rig.hold(id, remember());
    return !rig.notices_on_disk().empty();
  }));
  rig.run_all();
  EXPECT_TRUE(rig.state_on_disk(id).held);
  EXPECT_EQ(rig.state_on_disk(id).status_of(static_cast<std::uint32_t>(0)),
            RecipientStatus::failed);
}

TEST_P(DispatcherOperator, BounceTellsTheSenderAboutAllThatIsOpen) {
  const mail::QueueId id = rig.enqueue({"1@b.example", "2@c.example"});
  ASSERT_TRUE(has_jobs(2));
  const std::size_t b = delivery.jobs[0].next_hop == "b.example" ? 0 : 1;
  delivery.answer(b, RecipientStatus::relayed);
  ASSERT_TRUE(rig.run_until_so([&] { return rig.state_on_disk(id).attempts == 1; }));
  rig.bounce(id, remember());
  ASSERT_TRUE(answered());
  EXPECT_FALSE(rig.on_disk(id));
  ASSERT_THAT(rig.notices_on_disk(), SizeIs(1));
  EXPECT_THAT(rig.notices_on_disk()[0], HasSubstr("Final-Recipient: rfc822; 2@c.example"));
  EXPECT_THAT(rig.notices_on_disk()[0], testing::Not(HasSubstr("1@b.example")));
  // The attempt that was under way ends and changes nothing.
  delivery.answer(1 - b, RecipientStatus::deferred, "451 later");
  rig.run_all();
  EXPECT_FALSE(rig.on_disk(id));
  EXPECT_THAT(rig.notices_on_disk(), SizeIs(1));
}

TEST_P(DispatcherOperator, TwoBouncesMakeOneDsn) {
  const mail::QueueId id = rig.enqueue({"1@b.example"});
  ASSERT_TRUE(has_jobs(1));
  std::optional<Result<void>> second;
  rig.bounce(id, remember());
  rig.bounce(id, [&](const Result<void>& result) { second = result; });
  ASSERT_TRUE(answered());
  ASSERT_TRUE(rig.run_until_so([&] { return second.has_value(); }));
  EXPECT_THAT(rig.notices_on_disk(), SizeIs(1));
}

TEST_P(DispatcherOperator, DeleteDuringAnAttemptForgetsTheMessage) {
  const mail::QueueId id = rig.enqueue({"1@b.example", "2@b.example"});
  ASSERT_TRUE(has_jobs(1));
  rig.dispatcher->discard(id, remember());
  ASSERT_TRUE(answered());
  EXPECT_FALSE(rig.on_disk(id));
  delivery.answer(0, RecipientStatus::failed, "550 no");
  const mail::QueueId next = rig.enqueue({"1@b.example"});
  ASSERT_TRUE(has_jobs(2));
  EXPECT_EQ(delivery.jobs[1].envelope.id, next);
  EXPECT_THAT(rig.notices_on_disk(), SizeIs(0));
}

TEST_P(DispatcherOperator, DeleteBeforeACrashLeavesNothingSuspect) {
  const mail::QueueId id = rig.enqueue({"1@b.example"});
  ASSERT_TRUE(has_jobs(1));
  rig.dispatcher->discard(id, remember());
  delivery.die();
  ASSERT_TRUE(answered());
  rig.run_all();
  EXPECT_EQ(rig.queue->size(), 0u);
}

TEST_P(DispatcherOperator, RetryIsAnAttemptNow) {
  const mail::QueueId id = rig.enqueue({"1@b.example"});
  ASSERT_TRUE(has_jobs(1));
  delivery.answer(0, RecipientStatus::deferred, "451 later");
  ASSERT_TRUE(rig.run_until_so([&] { return rig.state_on_disk(id).attempts == 1; }));
  answer = rig.retry(id);
  ASSERT_TRUE(answered());
  ASSERT_TRUE(has_jobs(2));
}

TEST_P(DispatcherOperator, RetryOfAHeldMessageSaysSo) {
  const mail::QueueId id = rig.enqueue({"1@b.example"});
  ASSERT_TRUE(has_jobs(1));
  rig.hold(id, remember());
  ASSERT_TRUE(answered());
  answer = rig.retry(id);
  ASSERT_FALSE(answer->has_value());
  EXPECT_THAT(answer->error().context, HasSubstr("is held"));
}

TEST_P(DispatcherOperator, WhatIsGoneIsSaidToBeUnknown) {
  const mail::QueueId id = rig.enqueue({"1@b.example"});
  ASSERT_TRUE(has_jobs(1));
  queue::MessagePtr message;
  rig.queue->load(id, [&](const Result<queue::MessagePtr>& loaded) { message = loaded.value(); });
  delivery.answer(0, RecipientStatus::relayed);
  ASSERT_TRUE(rig.run_until_so([&] { return !rig.is_queued(id); }));
  for (auto change :
       {&daemon::Dispatcher::hold, &daemon::Dispatcher::release, &daemon::Dispatcher::bounce}) {
    answer.reset();
    ((*rig.dispatcher).*change)(message, remember());
    ASSERT_TRUE(answer.has_value());
    ASSERT_FALSE(answer->has_value());
    EXPECT_EQ(answer->error().code, ErrorCode::not_found);
  }
  answer.reset();
  rig.dispatcher->discard(id, remember());
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->error().code, ErrorCode::not_found);
}

TEST_P(DispatcherOperator, FlushOfADomainBehindARelayHostIsLeftToWhoReadsEnvelopes) {
  auto options = DispatcherRig::default_options();
  options.relay_host = "relay.example:25";
  DispatcherRig relaying(options);
  EXPECT_EQ(relaying.dispatcher->flush("c.example"), std::nullopt);
}

INSTANTIATE_TEST_SUITE_P(Messages, DispatcherOperator, OnDiskAndInMemory::both(),
                         OnDiskAndInMemory::name);

}  // namespace
}  // namespace brevdue::tests
