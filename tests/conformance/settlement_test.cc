#include "tests/conformance/store_conformance.h"

namespace brevdue::tests {

using mail::RecipientStatus;
using queue::Discard;
using queue::Location;
using queue::Settle;

TEST_P(StoreConformance, SettlementsMergeAsDeliveryStateDoes) {
  const Sample sample = make_sample(1, 4096, 5);
  start();
  Location location = put(sample);
  mail::DeliveryState model;
  for (const mail::Settlement& settlement : settlements_out_of_order()) {
    model.apply(settlement);
    const auto results = commit(store(), {Settle{sample.id, location, settlement}});
    ASSERT_EQ(results.size(), 1u);
    ASSERT_TRUE(results[0]) << describe(results[0].error());
    location = *results[0];
    expect_content(sample, location);
  }
  EXPECT_EQ(model.status_of(0), RecipientStatus::relayed);
  const auto recovered = reopen();
  ASSERT_EQ(recovered.size(), 1u);
  EXPECT_TRUE(is_same_but_for_replies(recovered.at(sample.id).state, model));
  expect_content(sample, recovered.at(sample.id).location);
}

TEST_P(StoreConformance, SettlementsOfOneBatchKeepTheirOrder) {
  const Sample sample = make_sample(1, 100, 2);
  start();
  const Location location = put(sample);
  mail::DeliveryState model;
  queue::Batch batch;
  for (std::uint32_t sequence = 1; sequence <= 40; ++sequence) {
    const auto settlement = deferral(sequence, sequence % 2, RecipientStatus::deferred,
                                     "451 4.4.1 attempt " + std::to_string(sequence));
    model.apply(settlement);
    batch.push_back(Settle{sample.id, location, settlement});
  }
  for (const auto& result : commit(store(), std::move(batch))) ASSERT_TRUE(result);
  EXPECT_TRUE(is_same_but_for_replies(reopen().at(sample.id).state, model));
}

TEST_P(StoreConformance, EnqueueSettleAndDiscardInOneBatch) {
  const Sample stays = make_sample(1, 1000, 2);
  const Sample goes = make_sample(2, 1000);
  start();
  // The location is not known yet: the queue does not do this, but a replay after a crash may.
  const auto first = commit(store(), {stays.enqueue(), goes.enqueue()});
  ASSERT_TRUE(first[0] && first[1]);
  const auto settlement = deferral(1, 1, RecipientStatus::deferred, "451 4.3.0 later");
  const auto results =
      commit(store(), {Settle{goes.id, *first[1], settlement},
                       Settle{stays.id, *first[0], settlement}, Discard{goes.id, *first[1]}});
  for (const auto& result : results) ASSERT_TRUE(result) << describe(result.error());
  const auto recovered = reopen();
  ASSERT_EQ(recovered.size(), 1u);
  EXPECT_EQ(recovered.at(stays.id).state.attempts, 1u);
}

TEST_P(StoreConformance, EveryFieldOfASettlementSurvives) {
  const Sample sample = make_sample(1, 10, 200);
  mail::Settlement settlement;
  settlement.sequence = 7;
  settlement.attempts = 3;
  settlement.suspect = 2;
  settlement.next_attempt = WallTime(std::chrono::microseconds(1'790'000'123'456'789));
  settlement.held = true;
  settlement.delay_notified = true;
  for (std::uint32_t i = 0; i < 200; ++i) {
    settlement.results.push_back(
        {i, static_cast<RecipientStatus>(1 + i % 3), std::string(i % 2 == 0 ? 512 : i, 'x')});
  }
  mail::DeliveryState model;
  model.apply(settlement);
  start();
  const Location location = put(sample);
  ASSERT_TRUE(commit(store(), {Settle{sample.id, location, settlement}})[0]);
  EXPECT_TRUE(is_same_but_for_replies(reopen().at(sample.id).state, model));
}

TEST_P(StoreConformance, ReplayIsHarmless) {
  const Sample kept = make_sample(1, 4096, 2);
  const Sample gone = make_sample(2, 4096);
  const auto settlement = deferral(1, 0, RecipientStatus::deferred, "451 4.4.1 later");
  mail::DeliveryState model;
  model.apply(settlement);
  start();
  const Location kept_at = put(kept);
  const Location gone_at = put(gone);
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(commit(store(), {Settle{kept.id, kept_at, settlement}})[0]);
    ASSERT_TRUE(
        commit(store(), {Settle{gone.id, gone_at, settlement}, Discard{gone.id, gone_at}})[1]);
    const auto both =
        commit(store(), {Discard{gone.id, gone_at}, Settle{gone.id, gone_at, settlement}});
    ASSERT_TRUE(both[0] && both[1]);
  }
  // After a restart the queue replays what it is not sure of, with the locations it has.
  auto recovered = reopen();
  ASSERT_EQ(recovered.size(), 1u);
  EXPECT_TRUE(is_same_but_for_replies(recovered.at(kept.id).state, model));
  const Location location = recovered.at(kept.id).location;
  ASSERT_TRUE(commit(store(), {Settle{kept.id, location, settlement}})[0]);
  recovered = reopen();
  ASSERT_EQ(recovered.size(), 1u);
  EXPECT_TRUE(is_same_but_for_replies(recovered.at(kept.id).state, model));
}

TEST_P(StoreConformance, AMessageSettledAfterRecoveryKeepsBothParts) {
  const Sample sample = make_sample(1, 4096, 3);
  mail::DeliveryState model;
  start();
  Location location = put(sample);
  for (std::uint32_t sequence = 1; sequence <= 6; ++sequence) {
    const auto settlement =
        deferral(sequence, sequence % 3, RecipientStatus::deferred, "451 later");
    model.apply(settlement);
    ASSERT_TRUE(commit(store(), {Settle{sample.id, location, settlement}})[0]);
    const auto recovered = reopen();
    ASSERT_TRUE(is_same_but_for_replies(recovered.at(sample.id).state, model));
    location = recovered.at(sample.id).location;
    expect_content(sample, location);
  }
}

}  // namespace brevdue::tests
