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

// Discards or settles each message as soon as it is reported, from another thread.
class ForwardingSink final : public queue::RecoverySink {
 public:
  void message(queue::RecoveredMessage message) override {
    const std::lock_guard lock(mutex_);
    found_.push_back(std::move(message));
  }
  void quarantined(queue::Quarantined damage) override { ADD_FAILURE() << damage.where; }
  std::vector<queue::RecoveredMessage> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(found_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<queue::RecoveredMessage> found_;
};

TEST_P(StoreConformance, SubmitBesideRecover) {
  constexpr std::uint64_t old_count = 400;
  start();
  queue::Batch first;
  for (std::uint64_t i = 0; i < old_count; ++i) first.push_back(make_sample(i, 500).enqueue());
  for (const auto& result : commit(store(), std::move(first))) ASSERT_TRUE(result);
  start();
  ForwardingSink sink;
  std::atomic<bool> scanned{false};
  std::thread scan([&] {
    const auto recovered = store().recover(sink);
    EXPECT_TRUE(recovered) << describe(recovered.error());
    scanned = true;
  });
  std::map<mail::QueueId, int> reported;
  std::vector<std::pair<mail::QueueId, Location>> discarded;
  std::uint64_t added = 0;
  bool last_round = false;
  while (!last_round) {
    last_round = scanned;
    queue::Batch batch;
    for (auto& message : sink.take()) {
      ++reported[message.id];
      if (message.id.value() / 4096 % 2 == 0) {
        batch.push_back(Discard{message.id, message.location});
      } else {
        batch.push_back(Settle{message.id, message.location,
                               deferral(1, 0, RecipientStatus::deferred, "451 4.4.1 x")});
      }
    }
    batch.push_back(make_sample(old_count + added++, 500).enqueue());
    for (const auto& result : commit(store(), std::move(batch))) {
      ASSERT_TRUE(result) << describe(result.error());
    }
  }
  scan.join();
  EXPECT_EQ(reported.size(), old_count);
  for (const auto& [id, times] : reported) {
    EXPECT_EQ(times, 1);
    EXPECT_LT(id, make_sample(old_count, 1).id);
  }
  const auto recovered = reopen();
  EXPECT_EQ(recovered.size(), old_count / 2 + added);
}

}  // namespace brevdue::tests
