// The way back: what an outcome changes, in which batch, and what senders are told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/daemon/dispatcher_rig.h"

namespace brevdue::tests {
namespace {

using mail::RecipientStatus;
using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

class DispatcherOutcomes : public OnDiskAndInMemory {
 protected:
  // Hands one job for all of `recipients`, which share a domain, to the delivery process.
  const delivery::Job& begin(const std::vector<std::string>& recipients,
                             const std::string& reverse_path = "sender@a.example",
                             std::uint8_t notify = mail::DsnNotify::unset) {
    id = rig.enqueue(recipients, reverse_path, notify);
    const std::size_t before = delivery.jobs.size();
    if (!rig.run_until_so([&] { return delivery.jobs.size() > before; })) {
      throw std::runtime_error("no job");
    }
    rig.tap.batches.clear();
    return delivery.jobs.back();
  }

  delivery::Outcome mixed(const std::vector<RecipientStatus>& statuses) {
    delivery::Outcome outcome;
    for (std::uint32_t i = 0; i < statuses.size(); ++i) {
      const std::string reply =
          statuses[i] == RecipientStatus::failed ? "550 5.1.1 no such user" : "451 4.2.0 later";
      outcome.recipients.push_back({i, statuses[i], "5.1.1", reply, "next.example", true, false});
    }
    return outcome;
  }

  void answer(delivery::Outcome outcome) {
    delivery.answer(delivery.jobs.size() - 1, std::move(outcome));
  }

  DispatcherRig rig{DispatcherRig::default_options(), GetParam()};
  FakeDelivery& delivery = rig.attach();
  mail::QueueId id;
};

TEST_P(DispatcherOutcomes, WhatIsDeferredStaysWithItsReplies) {
  begin({"1@b.example", "2@b.example"});
  answer(mixed({RecipientStatus::deferred, RecipientStatus::relayed}));
  ASSERT_TRUE(rig.run_until_so([&] { return rig.state_on_disk(id).attempts == 1; }));
  const mail::DeliveryState state = rig.state_on_disk(id);
  EXPECT_EQ(state.status_of(0), RecipientStatus::deferred);
  EXPECT_EQ(state.status_of(1), RecipientStatus::relayed);
  EXPECT_EQ(state.results[0].reply, "451 4.2.0 later");
  EXPECT_GT(state.next_attempt, rig.clock.wall());
  EXPECT_THAT(rig.notices_on_disk(), SizeIs(0));
  rig.pass(DispatcherRig::default_options().retry.delay_max);
  ASSERT_TRUE(rig.run_until_so([&] { return delivery.jobs.size() == 2; }));
  EXPECT_EQ(delivery.jobs[1].recipients, (std::vector<std::uint32_t>{0}));
}

template <class First, class Second>
static void expect_one_after_the_other(const std::vector<queue::Batch>& batches) {
  ASSERT_THAT(batches, SizeIs(testing::Ge(2)));
  ASSERT_THAT(batches[0], SizeIs(1));
  ASSERT_THAT(batches[1], SizeIs(1));
  EXPECT_TRUE(std::holds_alternative<First>(batches[0][0]));
  EXPECT_TRUE(std::holds_alternative<Second>(batches[1][0]));
}

TEST_P(DispatcherOutcomes, ADsnIsDurableBeforeTheDiscardThatItAnswers) {
  begin({"1@b.example", "2@b.example"});
  answer(mixed({RecipientStatus::failed, RecipientStatus::relayed}));
  ASSERT_TRUE(rig.run_until_so([&] { return !rig.on_disk(id); }));
  expect_one_after_the_other<queue::Enqueue, queue::Discard>(rig.tap.batches);
  ASSERT_THAT(rig.notices_on_disk(), SizeIs(1));
  EXPECT_THAT(rig.notices_on_disk()[0], HasSubstr("Final-Recipient: rfc822; 1@b.example"));
  EXPECT_THAT(rig.notices_on_disk()[0], HasSubstr("550 5.1.1 no such user"));
  EXPECT_THAT(rig.notices_on_disk()[0], Not(HasSubstr("2@b.example")));
}

TEST_P(DispatcherOutcomes, ADsnIsDurableBeforeTheSettleThatItAnswers) {
  begin({"1@b.example", "2@b.example"});
  answer(mixed({RecipientStatus::failed, RecipientStatus::deferred}));
  ASSERT_TRUE(rig.run_until_so([&] { return rig.state_on_disk(id).attempts == 1; }));
  expect_one_after_the_other<queue::Enqueue, queue::Settle>(rig.tap.batches);
  EXPECT_EQ(rig.state_on_disk(id).status_of(0), RecipientStatus::failed);
}

TEST_P(DispatcherOutcomes, ADsnIsRelayedLikeAnyOtherMessage) {
  begin({"1@b.example"});
  answer(mixed({RecipientStatus::failed}));
  ASSERT_TRUE(rig.run_until_so([&] { return delivery.jobs.size() == 2; }));
  EXPECT_EQ(delivery.jobs[1].next_hop, "a.example");
  EXPECT_EQ(delivery.jobs[1].envelope.reverse_path, "");
  answer(mixed({RecipientStatus::failed}));
  // Nobody is told about a DSN that fails.
  ASSERT_TRUE(rig.run_until_so([&] { return rig.queue->size() == 0; }));
  EXPECT_THAT(rig.notices_on_disk(), SizeIs(0));
}

TEST_P(DispatcherOutcomes, NotifyNeverIsObeyed) {
  begin({"1@b.example"}, "sender@a.example", mail::DsnNotify::never);
  answer(mixed({RecipientStatus::failed}));
  ASSERT_TRUE(rig.run_until_so([&] { return rig.queue->size() == 0; }));
  EXPECT_THAT(rig.notices_on_disk(), SizeIs(0));
}

TEST_P(DispatcherOutcomes, NotifySuccessIsOursWhereTheNextHopCannot) {
  begin({"1@b.example", "2@b.example"}, "sender@a.example", mail::DsnNotify::success);
  delivery::Outcome outcome = mixed({RecipientStatus::relayed, RecipientStatus::relayed});
  outcome.recipients[1].dsn_relayed = true;
  answer(outcome);
  ASSERT_TRUE(rig.run_until_so([&] { return !rig.on_disk(id); }));
  ASSERT_THAT(rig.notices_on_disk(), SizeIs(1));
  EXPECT_THAT(rig.notices_on_disk()[0], HasSubstr("Action: relayed"));
  EXPECT_THAT(rig.notices_on_disk()[0], Not(HasSubstr("2@b.example")));
}

TEST_P(DispatcherOutcomes, ARecipientWithoutAnAnswerIsDeferred) {
  begin({"1@b.example", "2@b.example", "3@b.example"});
  delivery::Outcome outcome = mixed({RecipientStatus::relayed});
  outcome.recipients.push_back(outcome.recipients[0]);
  outcome.recipients.push_back(outcome.recipients[0]);
  answer(outcome);
  ASSERT_TRUE(rig.run_until_so([&] { return rig.state_on_disk(id).attempts == 1; }));
  EXPECT_EQ(rig.state_on_disk(id).status_of(1), RecipientStatus::deferred);
  rig.pass(DispatcherRig::default_options().retry.delay_max);
  ASSERT_TRUE(rig.run_until_so([&] { return delivery.jobs.size() == 2; }));
  EXPECT_EQ(delivery.jobs[1].recipients, (std::vector<std::uint32_t>{1, 2}));
}

TEST_P(DispatcherOutcomes, ForARecipientOfAnotherJobAreIgnored) {
  begin({"1@b.example", "2@c.example"});
  ASSERT_TRUE(rig.run_until_so([&] { return delivery.jobs.size() == 2; }));
  const std::size_t b = delivery.jobs[0].next_hop == "b.example" ? 0 : 1;
  delivery.answer(b, mixed({RecipientStatus::relayed, RecipientStatus::relayed}));
  ASSERT_TRUE(rig.run_until_so([&] { return rig.state_on_disk(id).attempts == 1; }));
  EXPECT_EQ(rig.state_on_disk(id).status_of(1), RecipientStatus::pending);
  delivery.answer(1 - b, RecipientStatus::deferred, "451 later");
  ASSERT_TRUE(rig.run_until_so([&] { return rig.state_on_disk(id).results.size() == 2; }));
  EXPECT_TRUE(rig.is_queued(id));
}

TEST_P(DispatcherOutcomes, OfAnUnknownAttemptCloseTheChannel) {
  begin({"1@b.example"});
  delivery::Outcome outcome = mixed({RecipientStatus::relayed});
  outcome.attempt = 4711;
  delivery.send(static_cast<std::uint8_t>(delivery::DeliveryFrame::outcome), encode(outcome));
  ASSERT_TRUE(rig.run_until_so([&] { return delivery.is_closed(); }));
  EXPECT_TRUE(rig.is_queued(id));
}

TEST_P(DispatcherOutcomes, AMessageExpiresAtTheEndOfAnAttempt) {
  begin({"1@b.example"});
  const auto retry = DispatcherRig::default_options().retry;
  // DSNs that have the sender's domain stay, so that they can be counted.
  std::uint32_t attempts = 0;
  for (std::size_t done = 0; rig.on_disk(id); rig.pass(retry.delay_max)) {
    ASSERT_TRUE(rig.run_until_so([&] {
      for (; done < delivery.jobs.size(); ++done) {
        attempts += delivery.jobs[done].envelope.id == id ? 1 : 0;
        delivery.answer(done, RecipientStatus::deferred, "451 4.2.0 later");
      }
      return !rig.on_disk(id) || rig.state_on_disk(id).attempts == attempts;
    }));
    ASSERT_LT(attempts, 1000u);
  }
  ASSERT_FALSE(rig.on_disk(id));
  EXPECT_TRUE(rig.log.says("status=expired, returned to sender"));
  std::size_t delayed = 0;
  std::size_t failed = 0;
  for (const std::string& notice : rig.notices_on_disk()) {
    delayed += notice.find("Action: delayed") != std::string::npos ? 1 : 0;
    failed += notice.find("Action: failed") != std::string::npos ? 1 : 0;
  }
  EXPECT_EQ(failed, 1u);
  EXPECT_EQ(delayed, retry.delay_notice_after.count() > 0 ? 1u : 0u);
}

TEST_P(DispatcherOutcomes, ADestinationThatFailsIsSuspendedAndItsMessagesStay) {
  auto options = DispatcherRig::default_options();
  std::vector<mail::QueueId> all;
  for (int i = 0; i < 60; ++i) all.push_back(rig.enqueue({"1@b.example"}));
  ASSERT_TRUE(rig.run_until_so([&] { return delivery.jobs.size() == 20; }));
  // The window is as wide as the cohort that has to fail; then come the probes, two of which fail.
  for (std::size_t done = 0; !rig.log.says("delivery temporarily suspended");) {
    ASSERT_LT(done, 500u);
    for (; done < delivery.jobs.size(); ++done) {
      delivery::Outcome outcome = DispatcherRig::outcome_of(
          delivery.jobs[done], RecipientStatus::deferred, "connect to b.example: refused");
      outcome.destination_failed = true;
      delivery.answer(done, outcome);
    }
    rig.run_all();
    rig.pass(1h);
  }
  rig.run_all();
  EXPECT_TRUE(rig.log.says("delivery temporarily suspended: connect to b.example: refused"));
  for (const mail::QueueId one : all) EXPECT_TRUE(rig.on_disk(one));
}

TEST_P(DispatcherOutcomes, DamagedContentIsHeld) {
  begin({"1@b.example"});
  delivery::Outcome outcome = mixed({RecipientStatus::deferred});
  outcome.content_corrupt = true;
  answer(outcome);
  ASSERT_TRUE(rig.run_until_so([&] { return rig.state_on_disk(id).held; }));
  rig.pass(24h);
  EXPECT_THAT(delivery.jobs, SizeIs(1));
}

TEST_P(DispatcherOutcomes, ADrainWaitsForTheLastOneToBeDurable) {
  begin({"1@b.example"});
  bool drained = false;
  rig.dispatcher->drain([&] {
    drained = true;
    EXPECT_FALSE(rig.on_disk(id));
    EXPECT_THAT(rig.notices_on_disk(), SizeIs(1));
  });
  rig.enqueue({"1@c.example"});
  rig.run_all();
  EXPECT_FALSE(drained);
  answer(mixed({RecipientStatus::failed}));
  ASSERT_TRUE(rig.run_until_so([&] { return drained; }));
  EXPECT_THAT(delivery.jobs, SizeIs(1));
}

TEST_P(DispatcherOutcomes, ADrainDoesNotWaitForRoom) {
  begin({"1@b.example"});
  {
    const std::lock_guard lock(rig.disk.mutex);
    rig.disk.room = 0;
  }
  answer(mixed({RecipientStatus::failed}));
  bool drained = false;
  rig.dispatcher->drain([&] { drained = true; });
  ASSERT_TRUE(rig.run_until_so([&] { return drained; }));
  EXPECT_TRUE(rig.on_disk(id));
}

INSTANTIATE_TEST_SUITE_P(Messages, DispatcherOutcomes, OnDiskAndInMemory::both(),
                         OnDiskAndInMemory::name);

}  // namespace
}  // namespace brevdue::tests
