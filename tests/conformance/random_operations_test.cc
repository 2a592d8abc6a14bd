#include <random>

#include "queue/memory_store.h"
#include "tests/conformance/store_conformance.h"

namespace brevdue::tests {

using mail::RecipientStatus;
using queue::Discard;
using queue::Settle;

namespace {
struct Live {
  Sample sample;
  queue::Location location;
  std::uint32_t next_sequence = 1;
};

mail::Settlement random_settlement(std::mt19937_64& random, std::uint32_t sequence,
                                   std::uint32_t recipients) {
  mail::Settlement settlement;
  settlement.sequence = sequence;
  settlement.attempts = static_cast<std::uint32_t>(random() % 9);
  settlement.held = random() % 7 == 0;
  settlement.next_attempt = WallTime(std::chrono::microseconds(random() % (1ull << 50)));
  const std::uint32_t touched = static_cast<std::uint32_t>(random() % recipients) + 1;
  for (std::uint32_t i = 0; i < touched; ++i) {
    const auto status = static_cast<RecipientStatus>(1 + random() % 3);
    settlement.results.push_back({i, status, std::string(random() % 200, 'r')});
  }
  return settlement;
}
}  // namespace

// Thousands of random mutations in random batches, with the store opened anew at random moments;
// MemoryStore's disk says what must be there.
TEST_P(StoreConformance, RandomOperationsAgreeWithTheModel) {
  const std::uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  queue::MemoryDisk model_disk;
  queue::MemoryStore model(model_disk);
  std::map<mail::QueueId, Live> live;
  std::uint64_t number = 0;
  start();
  for (int round = 0; round < 250; ++round) {
    queue::Batch batch;
    std::vector<mail::QueueId> touched;
    const std::size_t size = 1 + random() % 12;
    for (std::size_t i = 0; i < size; ++i) {
      const bool add = live.empty() || random() % 10 < 5;
      if (add) {
        const std::size_t bytes = random() % 20 == 0 ? random() % 200'000 : random() % 6000;
        Sample sample = make_sample(++number, bytes, 1 + static_cast<std::uint32_t>(random() % 4));
        batch.push_back(sample.enqueue());
        touched.push_back(sample.id);
        live[sample.id] = {std::move(sample), {}, 1};
        continue;
      }
      auto at = live.begin();
      std::advance(at, static_cast<std::ptrdiff_t>(random() % live.size()));
      // A message of this very batch has no location yet.
      if (at->second.location == queue::Location{}) continue;
      if (random() % 2 == 0) {
        batch.push_back(Settle{
            at->first, at->second.location,
            random_settlement(random, at->second.next_sequence++, at->second.sample.recipients)});
        touched.push_back(at->first);
      } else {
        batch.push_back(Discard{at->first, at->second.location});
        touched.push_back(at->first);
        live.erase(at);
      }
    }
    if (batch.empty()) continue;
    model.submit(queue::Batch(batch), [](queue::BatchResults) {});
    const auto results = commit(store(), std::move(batch));
    ASSERT_EQ(results.size(), touched.size());
    for (std::size_t i = 0; i < results.size(); ++i) {
      ASSERT_TRUE(results[i]) << describe(results[i].error());
      if (const auto at = live.find(touched[i]); at != live.end())
        at->second.location = *results[i];
    }
    if (random() % 12 != 0) continue;
    const auto recovered = reopen();
    ASSERT_EQ(recovered.size(), model_disk.messages.size());
    for (auto& [id, one] : live) {
      const auto found = recovered.find(id);
      ASSERT_NE(found, recovered.end()) << id.text() << " is gone";
      ASSERT_EQ(found->second.state, model_disk.messages.at(id).state) << id.text();
      ASSERT_TRUE(found->second.envelope.view() == one.sample.envelope.view());
      one.location = found->second.location;
      if (random() % 4 == 0) expect_content(one.sample, one.location);
    }
  }
}

}  // namespace brevdue::tests
