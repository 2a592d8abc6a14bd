#include <thread>

#include "tests/conformance/store_conformance.h"

namespace brevdue::tests {

using mail::RecipientStatus;
using queue::Discard;
using queue::Location;
using queue::Settle;

TEST_P(StoreConformance, AnEmptyDiskRecoversToNothing) {
  start();
  EXPECT_TRUE(recover().empty());
  EXPECT_TRUE(reopen().empty());
}

TEST_P(StoreConformance, RecoveringTwiceEqualsOnce) {
  start();
  std::vector<Sample> samples;
  for (std::uint64_t i = 1; i <= 50; ++i) samples.push_back(make_sample(i, i * 97));
  for (const Sample& sample : samples) put(sample);
  const auto once = reopen();
  const auto twice = reopen();
  ASSERT_EQ(once.size(), samples.size());
  ASSERT_EQ(twice.size(), samples.size());
  for (const Sample& sample : samples) {
    EXPECT_EQ(once.at(sample.id).state, twice.at(sample.id).state);
    EXPECT_TRUE(twice.at(sample.id).envelope.view() == sample.envelope.view());
    expect_content(sample, twice.at(sample.id).location);
  }
}

TEST_P(StoreConformance, WhatIsEnqueuedAfterStartIsNotReported) {
  start();
  const Sample before = make_sample(1, 500);
  put(before);
  start();
  const Sample after = make_sample(2, 500);
  put(after);
  const auto recovered = recover();
  EXPECT_EQ(recovered.size(), 1u);
  EXPECT_TRUE(recovered.contains(before.id));
  EXPECT_EQ(reopen().size(), 2u);
}

TEST_P(StoreConformance, SubmittingGoesOnWhileRecovering) {
  start();
  for (std::uint64_t i = 1; i <= 400; ++i) put(make_sample(i, 2000));
  start();
  CollectingSink sink;
  Result<void> result;
  std::thread recovery([&] { result = store().recover(sink); });
  for (std::uint64_t i = 1001; i <= 1100; ++i) put(make_sample(i, 2000));
  recovery.join();
  ASSERT_TRUE(result) << describe(result.error());
  EXPECT_EQ(sink.messages.size(), 400u);
  EXPECT_EQ(reopen().size(), 500u);
}

TEST_P(StoreConformance, RecoveredMessagesCanBeSettledAndDiscarded) {
  start();
  const Sample settled = make_sample(1, 4000, 3);
  const Sample discarded = make_sample(2, 4000);
  put(settled);
  put(discarded);
  const auto recovered = reopen();
  const auto settlement = deferral(1, 2, RecipientStatus::deferred, "451 4.4.1 later");
  const auto results =
      commit(store(), {Settle{settled.id, recovered.at(settled.id).location, settlement},
                       Discard{discarded.id, recovered.at(discarded.id).location}});
  ASSERT_TRUE(results[0] && results[1]);
  const auto again = reopen();
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again.at(settled.id).state.attempts, 1u);
  EXPECT_EQ(again.at(settled.id).state.status_of(2), RecipientStatus::deferred);
}

TEST_P(StoreConformance, ReadOnlyReportsAndRefuses) {
  if (!GetParam().has_read_only) GTEST_SKIP() << "this store has no read-only mode";
  start();
  const Sample sample = make_sample(1, 3000);
  put(sample);
  start({.read_only = true});
  const auto recovered = recover();
  ASSERT_EQ(recovered.size(), 1u);
  expect_content(sample, recovered.at(sample.id).location);
  const auto refused = commit(store(), {make_sample(2, 10).enqueue()});
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_FALSE(refused[0]);
  EXPECT_EQ(reopen().size(), 1u);
}

namespace {
class FirstMessage final : public CollectingSink {
 public:
  void message(queue::RecoveredMessage message) override {
    CollectingSink::message(std::move(message));
    if (messages.size() == 1) reached.set_value();
  }
  std::promise<void> reached;
};
}  // namespace

TEST_P(StoreConformance, DestroyedInTheMiddleOfRecovery) {
  if (GetParam().name == "MemoryStore") GTEST_SKIP() << "it recovers in the caller's thread";
  start();
  queue::Batch batch;
  for (std::uint64_t i = 1; i <= 300; ++i) batch.push_back(make_sample(i, 3000).enqueue());
  commit(store(), std::move(batch));
  start();
  FirstMessage sink;
  auto doomed = release();
  std::thread recovery([&sink, recovering = doomed.get()] {
    const auto result = recovering->recover(sink);
    if (!result) EXPECT_EQ(result.error().code, ErrorCode::cancelled);
  });
  sink.reached.get_future().wait();
  doomed.reset();
  recovery.join();
  EXPECT_EQ(reopen().size(), 300u);
}

TEST_P(StoreConformance, AStoreThatWasNeverRecoveredLosesNothing) {
  start();
  const Sample sample = make_sample(1, 4096);
  put(sample);
  start();
  const Sample later = make_sample(2, 4096);
  put(later);
  const auto recovered = reopen();
  ASSERT_EQ(recovered.size(), 2u);
  expect_content(sample, recovered.at(sample.id).location);
  expect_content(later, recovered.at(later.id).location);
}

TEST_P(StoreConformance, RecoveryReportsTheMomentOfStart) {
  std::map<mail::QueueId, Sample> before;
  start();
  for (std::uint64_t i = 1; i <= 20; ++i) {
    const Sample sample = make_sample(i, 3000);
    put(sample);
    before.emplace(sample.id, sample);
  }
  start();
  std::map<mail::QueueId, Location> added;
  for (std::uint64_t i = 100; i < 150; ++i) {
    const Sample sample = make_sample(i, 3000);
    added[sample.id] = put(sample);
  }
  // An id below those that are there, as another slot or a clock set back makes it.
  const Sample low = make_sample(0, 3000);
  put(low);
  const auto recovered = recover();
  EXPECT_EQ(recovered.size(), before.size());
  for (const auto& [id, message] : recovered) EXPECT_TRUE(before.contains(id)) << id.text();
  for (const auto& [id, sample] : before) {
    ASSERT_TRUE(recovered.contains(id));
    expect_content(sample, recovered.at(id).location);
  }
  for (const auto& [id, location] : added) EXPECT_TRUE(store().open(id, location));
  EXPECT_EQ(reopen().size(), 71u);
}

TEST_P(StoreConformance, DiscardedMessagesStayGone) {
  start();
  std::vector<std::pair<mail::QueueId, Location>> all;
  for (std::uint64_t i = 1; i <= 30; ++i) {
    const Sample sample = make_sample(i, 1000);
    all.emplace_back(sample.id, put(sample));
  }
  queue::Batch batch;
  for (std::size_t i = 0; i < all.size(); i += 2) {
    batch.push_back(Discard{all[i].first, all[i].second});
  }
  for (const auto& result : commit(store(), std::move(batch))) ASSERT_TRUE(result);
  auto recovered = reopen();
  EXPECT_EQ(recovered.size(), 15u);
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(recovered.contains(all[i].first), i % 2 == 1);
  }
  batch.clear();
  for (const auto& [id, message] : recovered) batch.push_back(Discard{id, message.location});
  for (const auto& result : commit(store(), std::move(batch))) ASSERT_TRUE(result);
  EXPECT_TRUE(reopen().empty());
  EXPECT_TRUE(reopen().empty());
}

TEST_P(StoreConformance, TwentyThousandMessages) {
  constexpr std::uint64_t count = 20'000;
  constexpr std::uint64_t batch_size = 1000;
  start();
  for (std::uint64_t from = 0; from < count; from += batch_size) {
    queue::Batch batch;
    for (std::uint64_t i = from; i < from + batch_size; ++i) {
      batch.push_back(make_sample(i, 100 + i % 400, 2).enqueue());
    }
    const auto results = commit(store(), std::move(batch));
    queue::Batch changes;
    for (std::uint64_t i = from; i < from + batch_size; ++i) {
      ASSERT_TRUE(results[i - from]) << describe(results[i - from].error());
      const mail::QueueId id = make_sample(i, 0).id;
      if (i % 4 == 0) changes.push_back(Discard{id, *results[i - from]});
      if (i % 4 == 1) {
        changes.push_back(Settle{id, *results[i - from],
                                 deferral(1, 1, RecipientStatus::deferred, "451 4.4.1 later")});
      }
    }
    for (const auto& result : commit(store(), std::move(changes))) ASSERT_TRUE(result);
  }
  const auto recovered = reopen();
  ASSERT_EQ(recovered.size(), count / 4 * 3);
  for (std::uint64_t i = 0; i < count; ++i) {
    const mail::QueueId id = make_sample(i, 0).id;
    ASSERT_EQ(recovered.contains(id), i % 4 != 0);
    if (i % 4 != 0) ASSERT_EQ(recovered.at(id).state.attempts, i % 4 == 1 ? 1u : 0u);
    if (i % 500 == 3) expect_content(make_sample(i, 100 + i % 400, 2), recovered.at(id).location);
  }
}

}  // namespace brevdue::tests
