#include <atomic>
#include <mutex>
#include <thread>
#include <utility>

#include "tests/conformance/store_conformance.h"

namespace brevdue::tests {

using mail::RecipientStatus;
using queue::Discard;
using queue::Location;
using queue::Settle;

TEST_P(StoreConformance, LookUpOfAFreshMessage) {
  const Sample sample = make_sample(1, 4096, 3);
  const Sample large = make_sample(2, 150'000);
  const Sample empty = make_sample(3, 0);  // its content is staged: the envelope rides alone
  start();
  for (const Sample& each : {sample, large, empty}) {
    const Location location = put(each);
    expect_lookup(each, location, {});
    expect_content(each, location);
  }
}

TEST_P(StoreConformance, LookUpOfTenThousandRecipients) {
  const Sample many = make_sample(1, 4096, 10'000);
  mail::DeliveryState model;
  start();
  const Location location = put(many);
  expect_lookup(many, location, model);
  mail::Settlement settlement = deferral(1, 0, RecipientStatus::relayed, "250 2.0.0 ok");
  for (std::uint32_t i = 1; i < 10'000; ++i) {
    settlement.results.push_back({i, RecipientStatus::deferred, "451 4.4.1 later"});
  }
  // One such is larger than a small segment; a quarter is not.
  settlement.results.resize(1000);
  model.apply(settlement);
  ASSERT_TRUE(commit(store(), {Settle{many.id, location, settlement}})[0]);
  expect_lookup(many, location, model);
}

TEST_P(StoreConformance, LookUpFollowsEachSettlement) {
  const Sample sample = make_sample(1, 4096, 5);
  const Sample neighbour = make_sample(2, 100, 5);
  start();
  Location location = put(sample);
  const Location neighbour_at = put(neighbour);
  mail::DeliveryState model;
  for (const mail::Settlement& settlement : settlements_out_of_order()) {
    model.apply(settlement);
    const auto results = commit(store(), {Settle{sample.id, location, settlement}});
    ASSERT_TRUE(results[0]) << describe(results[0].error());
    location = *results[0];
    expect_lookup(sample, location, model);
    expect_lookup(neighbour, neighbour_at, {});
  }
  auto recovered = reopen();
  expect_lookup(sample, recovered.at(sample.id).location, model);
  expect_lookup(neighbour, recovered.at(neighbour.id).location, {});
  // And goes on after a restart.
  const auto last = deferral(6, 1, RecipientStatus::deferred, "451 4.4.1 once more");
  model.apply(last);
  location = recovered.at(sample.id).location;
  ASSERT_TRUE(commit(store(), {Settle{sample.id, location, last}})[0]);
  expect_lookup(sample, location, model);
}

// A store may write the whole state in place of the delta; nobody must see which it does.
TEST_P(StoreConformance, WholeSettlementsSayWhatDeltasSay) {
  const Sample sample = make_sample(1, 4096, 4);
  start();
  Location location = put(sample);
  mail::DeliveryState model;
  for (std::uint32_t sequence = 1; sequence <= 12; ++sequence) {
    const auto settlement = deferral(sequence, sequence % 4, RecipientStatus::deferred,
                                     "451 4.4.1 attempt " + std::to_string(sequence));
    model.apply(settlement);
    Settle settle{sample.id, location, settlement};
    if (sequence % 3 != 0) settle.whole = mail::as_settlement(model);
    ASSERT_TRUE(commit(store(), {settle})[0]);
    expect_lookup(sample, location, model);
    // A replay of an older one says the state that there is now.
    Settle replay{sample.id, location, deferral(1, 1, RecipientStatus::failed, "550 no")};
    replay.whole = mail::as_settlement(model);
    ASSERT_TRUE(commit(store(), {replay})[0]);
    expect_lookup(sample, location, model);
    if (sequence % 4 != 0) continue;
    const auto recovered = reopen();
    EXPECT_TRUE(is_same_but_for_replies(recovered.at(sample.id).state, model));
    location = recovered.at(sample.id).location;
    expect_lookup(sample, location, model);
  }
}

TEST_P(StoreConformance, LookUpOfADiscardedMessageIsAnError) {
  const Sample sample = make_sample(1, 4096);
  const Sample other = make_sample(2, 4096);
  start();
  const Location location = put(sample);
  const Location other_location = put(other);
  EXPECT_FALSE(store().look_up(make_sample(3, 1).id, location));
  EXPECT_FALSE(store().look_up(sample.id, Location{}));
  EXPECT_FALSE(store().look_up(sample.id, other_location));
  const auto settlement = deferral(1, 0, RecipientStatus::deferred, "451 4.4.1 later");
  ASSERT_TRUE(commit(store(), {Settle{sample.id, location, settlement}})[0]);
  ASSERT_TRUE(commit(store(), {Discard{sample.id, location}})[0]);
  const auto found = store().look_up(sample.id, location);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::not_found);
  expect_lookup(other, other_location, {});
}

TEST_P(StoreConformance, LookUpAfterRecoveryOfManyMessages) {
  std::vector<std::pair<Sample, mail::DeliveryState>> samples;
  start();
  for (std::uint32_t i = 0; i < 200; ++i) {
    const Sample sample = make_sample(i + 1, 100 + i * 31 % 3000, 3);
    const Location location = put(sample);
    mail::DeliveryState model;
    queue::Batch batch;
    for (std::uint32_t sequence = 1; sequence <= i % 4; ++sequence) {
      const auto settlement = deferral(sequence, sequence % 3, RecipientStatus::deferred,
                                       "451 4.4.1 attempt " + std::to_string(i + sequence));
      model.apply(settlement);
      batch.push_back(Settle{sample.id, location, settlement});
    }
    if (!batch.empty()) {
      for (const auto& result : commit(store(), std::move(batch))) ASSERT_TRUE(result);
    }
    samples.emplace_back(sample, model);
  }
  const auto recovered = reopen();
  ASSERT_EQ(recovered.size(), samples.size());
  for (const auto& [sample, model] : samples) {
    expect_lookup(sample, recovered.at(sample.id).location, model);
  }
}

// What is looked up while the owner settles is a state that was durable before the look-up or one
// that was settled since, never a mixture.
TEST_P(StoreConformance, LookUpWhileSettling) {
  constexpr std::uint32_t count = 12;
  constexpr std::uint32_t rounds = 60;
  std::vector<std::pair<Sample, Location>> messages;
  std::vector<std::atomic<std::uint32_t>> durable(count);
  start();
  for (std::uint32_t i = 0; i < count; ++i) {
    const Sample sample = make_sample(i + 1, 3000, 2);
    messages.emplace_back(sample, put(sample));
  }
  const auto numbered = [](std::uint32_t sequence) {
    return deferral(sequence, sequence % 2, RecipientStatus::deferred,
                    "451 4.4.1 attempt " + std::to_string(sequence));
  };
  std::atomic<bool> ended{false};
  std::thread reader([&] {
    for (std::size_t at = 0; !ended; at = (at + 1) % count) {
      const std::uint32_t before = durable[at];
      const auto& [sample, location] = messages[at];
      const auto found = store().look_up(sample.id, location);
      ASSERT_TRUE(found) << describe(found.error());
      EXPECT_TRUE(found->envelope.view() == sample.envelope.view());
      EXPECT_GE(found->state.sequence, before);
      mail::DeliveryState model;
      for (std::uint32_t i = 1; i <= found->state.sequence; ++i) model.apply(numbered(i));
      EXPECT_EQ(found->state, model);
    }
  });
  std::uint64_t next = 1000;
  for (std::uint32_t sequence = 1; sequence <= rounds; ++sequence) {
    queue::Batch batch;
    for (const auto& [sample, location] : messages) {
      batch.push_back(Settle{sample.id, location, numbered(sequence)});
    }
    batch.push_back(make_sample(next++, 20'000).enqueue());
    for (const auto& result : commit(store(), std::move(batch))) EXPECT_TRUE(result);
    for (auto& known : durable) known = sequence;
  }
  ended = true;
  reader.join();
}

}  // namespace brevdue::tests
