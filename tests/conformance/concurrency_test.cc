#include <atomic>
#include <mutex>
#include <thread>

#include "tests/conformance/store_conformance.h"

namespace brevdue::tests {

using queue::Discard;
using queue::Location;

// A reader opens what was acknowledged while the owner goes on submitting: every content is whole,
// and one discarded meanwhile is an error, never another message's content.
TEST_P(StoreConformance, ReadingWhileWriting) {
  start();
  std::mutex mutex;
  std::vector<std::pair<Sample, Location>> durable;
  std::atomic<bool> ended{false};
  std::thread reader([&] {
    std::size_t at = 0;
    while (!ended) {
      std::pair<Sample, Location> one;
      {
        const std::lock_guard lock(mutex);
        if (durable.empty()) continue;
        one = durable[at++ % durable.size()];
      }
      const auto content = store().open(one.first.id, one.second);
      if (content) EXPECT_TRUE(content->view() == one.first.content.view());
    }
  });
  std::uint64_t number = 0;
  for (int round = 0; round < 60; ++round) {
    queue::Batch batch;
    std::vector<Sample> samples;
    for (int i = 0; i < 10; ++i) {
      ++number;
      samples.push_back(make_sample(number, 100 + number * 37 % 9000));
      batch.push_back(samples.back().enqueue());
    }
    if (round % 3 == 2) {
      const std::lock_guard lock(mutex);
      for (int i = 0; i < 5; ++i) {
        batch.push_back(Discard{durable.front().first.id, durable.front().second});
        durable.erase(durable.begin());
      }
    }
    const auto results = commit(store(), std::move(batch));
    const std::lock_guard lock(mutex);
    for (std::size_t i = 0; i < samples.size(); ++i) {
      ASSERT_TRUE(results[i]) << describe(results[i].error());
      durable.emplace_back(samples[i], *results[i]);
    }
  }
  ended = true;
  reader.join();
  EXPECT_EQ(reopen().size(), durable.size());
}

}  // namespace brevdue::tests
