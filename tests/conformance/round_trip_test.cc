#include "tests/conformance/store_conformance.h"

namespace brevdue::tests {

using queue::Batch;
using queue::Discard;
using queue::Enqueue;
using queue::Location;

TEST_P(StoreConformance, FreshDiskIsEmpty) {
  EXPECT_TRUE(reopen().empty());
  EXPECT_GT(store().room(), 0u);
  EXPECT_GE(store().depth(), 1u);
}

TEST_P(StoreConformance, SizesAroundEveryBoundary) {
  std::vector<Sample> samples;
  for (const std::size_t size :
       {0u, 1u, 511u, 512u, 2000u, 2039u, 2040u, 2041u, 4031u, 4064u, 4095u, 4096u, 4097u, 8191u,
        65535u, 65536u, 65537u, 131072u, 1048576u}) {
    samples.push_back(make_sample(samples.size() + 1, size));
  }
  start();
  std::map<mail::QueueId, Location> locations;
  for (const Sample& sample : samples) locations[sample.id] = put(sample);
  for (const Sample& sample : samples) expect_content(sample, locations[sample.id]);
  const auto recovered = reopen();
  ASSERT_EQ(recovered.size(), samples.size());
  for (const Sample& sample : samples) {
    const auto& found = recovered.at(sample.id);
    EXPECT_TRUE(found.envelope.view() == sample.envelope.view());
    EXPECT_EQ(found.state, mail::DeliveryState{});
    expect_content(sample, found.location);
  }
}

// Padding of a record and of its envelope must not be mistaken for each other.
TEST_P(StoreConformance, EverySmallSizeInOneBatch) {
  std::vector<Sample> samples;
  Batch batch;
  for (std::size_t size = 0; size < 300; ++size) {
    samples.push_back(make_sample(size + 1, size, static_cast<std::uint32_t>(size % 7 + 1)));
    batch.push_back(samples.back().enqueue());
  }
  start();
  for (const auto& result : commit(store(), std::move(batch))) ASSERT_TRUE(result);
  const auto recovered = reopen();
  ASSERT_EQ(recovered.size(), samples.size());
  for (const Sample& sample : samples) {
    EXPECT_TRUE(recovered.at(sample.id).envelope.view() == sample.envelope.view());
    expect_content(sample, recovered.at(sample.id).location);
  }
}

TEST_P(StoreConformance, EnvelopeOfTenThousandRecipients) {
  const Sample one = make_sample(1, 100, 1);
  const Sample many = make_sample(2, 4096, 10'000);
  start();
  put(many);
  put(one);
  const auto recovered = reopen();
  ASSERT_EQ(recovered.size(), 2u);
  const auto envelope = mail::decode_envelope(recovered.at(many.id).envelope.view());
  ASSERT_TRUE(envelope);
  EXPECT_EQ(envelope->recipients.size(), 10'000u);
  expect_content(many, recovered.at(many.id).location);
}

TEST_P(StoreConformance, ResultsInOrderOfTheMutations) {
  const Sample kept = make_sample(1, 100);
  const Sample gone = make_sample(2, 200);
  start();
  const Location kept_at = put(kept);
  const Location gone_at = put(gone);
  std::vector<Sample> samples;
  Batch batch;
  batch.push_back(queue::Settle{
      kept.id, kept_at, deferral(1, 0, mail::RecipientStatus::deferred, "451 4.4.1 later")});
  for (std::uint64_t i = 0; i < 249; ++i) {
    samples.push_back(make_sample(100 + i, 1000 + i));
    batch.push_back(samples.back().enqueue());
  }
  batch.push_back(Discard{gone.id, gone_at});
  for (std::uint64_t i = 249; i < 498; ++i) {
    samples.push_back(make_sample(100 + i, 1000 + i));
    batch.push_back(samples.back().enqueue());
  }
  ASSERT_EQ(batch.size(), 500u);
  const auto results = commit(store(), std::move(batch));
  ASSERT_EQ(results.size(), 500u);
  for (const auto& result : results) ASSERT_TRUE(result) << describe(result.error());
  expect_content(kept, *results[0]);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    expect_content(samples[i], *results[i + (i < 249 ? 1 : 2)]);
  }
  const auto recovered = reopen();
  EXPECT_EQ(recovered.size(), 499u);
  EXPECT_EQ(recovered.at(kept.id).state.attempts, 1u);
  EXPECT_FALSE(recovered.contains(gone.id));
}

TEST_P(StoreConformance, BatchOfTwo) {
  const Sample first = make_sample(1, 5000);
  const Sample second = make_sample(2, 70);
  start();
  const auto results = commit(store(), {first.enqueue(), second.enqueue()});
  ASSERT_EQ(results.size(), 2u);
  ASSERT_TRUE(results[0] && results[1]);
  expect_content(first, *results[0]);
  expect_content(second, *results[1]);
  EXPECT_EQ(reopen().size(), 2u);
}

TEST_P(StoreConformance, IdsOutOfOrder) {
  start();
  for (const std::uint64_t number : {500u, 2u, 499u, 1u, 1000u, 3u}) put(make_sample(number, 4096));
  const auto recovered = reopen();
  ASSERT_EQ(recovered.size(), 6u);
  for (const std::uint64_t number : {500u, 2u, 499u, 1u, 1000u, 3u}) {
    const Sample sample = make_sample(number, 4096);
    expect_content(sample, recovered.at(sample.id).location);
  }
}

// The envelope of staged content rides alone.
TEST_P(StoreConformance, EnvelopeWithoutContent) {
  const Sample sample = make_sample(1, 0, 3);
  start();
  const Location location = put(sample);
  expect_content(sample, location);
  EXPECT_TRUE(reopen().at(sample.id).envelope.view() == sample.envelope.view());
}

TEST_P(StoreConformance, OpenedBytesOutliveTheDiscard) {
  const Sample sample = make_sample(1, 50'000);
  start();
  const Location location = put(sample);
  const auto content = store().open(sample.id, location);
  ASSERT_TRUE(content);
  ASSERT_TRUE(commit(store(), {Discard{sample.id, location}})[0]);
  for (std::uint64_t i = 2; i < 20; ++i) put(make_sample(i, 50'000));
  EXPECT_TRUE(content->view() == sample.content.view());
}

TEST_P(StoreConformance, OpenOfWhatIsNotThereIsAnError) {
  const Sample sample = make_sample(1, 4096);
  const Sample other = make_sample(2, 4096);
  start();
  const Location location = put(sample);
  const Location other_location = put(other);
  EXPECT_FALSE(store().open(make_sample(3, 1).id, location));
  EXPECT_FALSE(store().open(sample.id, Location{}));
  Location wild;
  wild.bytes.fill(0xff);
  EXPECT_FALSE(store().open(sample.id, wild));
  EXPECT_FALSE(store().open(sample.id, other_location));
  ASSERT_TRUE(commit(store(), {Discard{sample.id, location}})[0]);
  EXPECT_FALSE(store().open(sample.id, location));
  expect_content(other, other_location);
}

// Space that a discarded message left is used again, by content that must not be mistaken for it.
TEST_P(StoreConformance, OpenOfADiscardedMessageAfterItsSpaceWasReused) {
  start();
  std::vector<std::pair<Sample, Location>> discarded;
  for (std::uint64_t round = 0; round < 20; ++round) {
    const Sample sample = make_sample(round + 1, 4096);
    const Location location = put(sample);
    for (const auto& [old, old_location] : discarded) {
      EXPECT_FALSE(store().open(old.id, old_location));
    }
    expect_content(sample, location);
    ASSERT_TRUE(commit(store(), {Discard{sample.id, location}})[0]);
    discarded.emplace_back(sample, location);
  }
  EXPECT_TRUE(reopen().empty());
}

}  // namespace brevdue::tests
