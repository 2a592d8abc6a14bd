#include <thread>

#include "tests/conformance/store_conformance.h"

namespace brevdue::tests {

using mail::RecipientStatus;
using queue::Discard;
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

}  // namespace brevdue::tests
