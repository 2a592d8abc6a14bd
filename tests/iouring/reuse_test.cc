#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include <gtest/gtest.h>

#include "tests/iouring/log_model.h"

namespace brevdue::tests {

namespace {
constexpr std::uint32_t segment_size = 128 * 1024;

backends::LogStoreOptions small_log() {
  backends::LogStoreOptions options;
  options.segment_size = segment_size;
  options.spare_segments_max = 4;
  return options;
}

void open_and_check(backends::LogStore& store, LogModel& model) {
  ASSERT_TRUE(store.start());
  Recovered recovered;
  ASSERT_TRUE(store.recover(recovered));
  ASSERT_EQ(model.check(store, recovered), "");
}
}  // namespace

// A few messages are never delivered, and each is tried again now and then: the segments between
// them are used again all the same, and not one of the thousands that went comes back.
TEST(LogReuse, DeferredMessagesDoNotPinTheRest) {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    SimulatedDisk disk(seed);
    LogModel model(seed, {.content_max = 6000, .live_wanted = 30, .keep_forever = 4});
    std::size_t most = 0;
    for (int life = 0; life < 3; ++life) {
      backends::LogStore store(small_log(), disk.device());
      open_and_check(store, model);
      for (int i = 0; i < 1500; ++i) {
        ASSERT_TRUE(model.step(store));
        most = std::max(most, disk.segment_count());
      }
    }
    backends::LogStore store(small_log(), disk.device());
    open_and_check(store, model);
    EXPECT_EQ(model.refused(), 0u);
    // Without reuse it would be hundreds.
    EXPECT_LT(most, 80u) << "seed " << seed;
    // Some 60 messages live, three segments' worth. As much and four segments more may be dead
    // between them, four pinned until a checkpoint, and five blank or open. On a machine under load
    // the caretaker is behind and needs a moment.
    for (int i = 0; i < 3000 && disk.segment_count() > 16; ++i) {
      ASSERT_TRUE(model.step(store));
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    EXPECT_LE(disk.segment_count(), 16u) << "seed " << seed;
    std::printf(
        "seed %llu: %zu live, at most %zu segments, %zu at the end, for %.0f segments' worth of "
        "mail\n",
        static_cast<unsigned long long>(seed), model.live(), most, disk.segment_count(),
        static_cast<double>(disk.changes()) * 9000 / segment_size);
  }
}

// One message in the first segment, then a long chain: each segment discards what its predecessor
// brought. The space must stay what a few segments take.
TEST(LogReuse, AChainOfTombstonesIsBroken) {
  SimulatedDisk disk(1);
  disk.set_segments_max(14);
  {
    backends::LogStore store(small_log(), disk.device());
    ASSERT_TRUE(store.start());
    const mail::QueueId kept(1);
    const auto kept_at =
        commit(store, {queue::Enqueue{kept, envelope_of(kept), content_of(kept, 100)}})[0];
    ASSERT_TRUE(kept_at);
    std::optional<std::pair<mail::QueueId, queue::Location>> before;
    for (std::uint64_t number = 2; number < 600; ++number) {
      const mail::QueueId id(number);
      queue::Batch batch;
      batch.push_back(queue::Enqueue{id, envelope_of(id), content_of(id, 20'000)});
      if (number % 50 == 0) {
        mail::Settlement settlement;
        settlement.sequence = static_cast<std::uint32_t>(number / 50);
        settlement.attempts = settlement.sequence;
        settlement.results = {{static_cast<std::uint32_t>(number / 50 % 2),
                               mail::RecipientStatus::deferred, "451 4.4.1 later"}};
        batch.push_back(queue::Settle{kept, *kept_at, settlement});
      }
      if (before) batch.push_back(queue::Discard{before->first, before->second});
      auto results = commit(store, std::move(batch));
      // Segments come free in the background: a machine under load may be behind for a moment.
      while (!results[0] && results[0].error().code == ErrorCode::storage_full) {
        std::this_thread::yield();
        results[0] =
            commit(store, {queue::Enqueue{id, envelope_of(id), content_of(id, 20'000)}})[0];
      }
      for (const auto& result : results) {
        ASSERT_TRUE(result) << number << ": " << describe(result.error());
      }
      before = {id, *results[0]};
    }
  }
  backends::LogStore store(small_log(), disk.device());
  ASSERT_TRUE(store.start());
  Recovered recovered;
  ASSERT_TRUE(store.recover(recovered));
  ASSERT_EQ(recovered.messages.size(), 2u);
  const mail::DeliveryState& state = recovered.messages.at(mail::QueueId(1)).state;
  EXPECT_EQ(state.sequence, 11u);
  ASSERT_EQ(state.results.size(), 2u);
  EXPECT_TRUE(recovered.messages.contains(mail::QueueId(599)));
}

namespace {
// Chains of messages, each of which goes with the batch that brings the next one; what is answered
// is followed at once, so that something is always submitted.
class UnbrokenMail {
 public:
  UnbrokenMail(backends::LogStore& store, std::uint64_t rounds) : store_(store), left_(rounds) {}

  void run(unsigned chains) {
    running_ = chains;
    for (unsigned i = 0; i < chains; ++i) follow({}, {});
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [&] { return running_ == 0; });
  }
  unsigned refused() const { return refused_; }

 private:
  void follow(mail::QueueId last, queue::Location location) {
    queue::Batch batch;
    mail::QueueId id;
    {
      const std::lock_guard lock(mutex_);
      if (left_ == 0) {
        if (--running_ == 0) ended_.notify_one();
        return;
      }
      --left_;
      id = mail::QueueId(++last_id_);
    }
    batch.push_back(queue::Enqueue{id, envelope_of(id), content_of(id, 3000)});
    if (last != mail::QueueId()) batch.push_back(queue::Discard{last, location});
    store_.submit(std::move(batch), [this, id](queue::BatchResults results) {
      for (const auto& result : results) refused_ += result ? 0 : 1;
      if (results[0]) return follow(id, *results[0]);
      follow({}, {});
    });
  }

  backends::LogStore& store_;
  std::mutex mutex_;
  std::condition_variable ended_;
  std::uint64_t left_;
  std::uint64_t last_id_ = 1'000;
  unsigned running_ = 0;
  std::atomic<unsigned> refused_{0};
};
}  // namespace

// A message that stays pins a chain of tombstones until a checkpoint: that must come while mail
// comes without a pause.
TEST(LogReuse, UpkeepTakesItsTurnWhileMailNeverPauses) {
  SimulatedDisk disk(5);
  disk.set_in_flight_max(4);
  backends::LogStore store(small_log(), disk.device());
  ASSERT_TRUE(store.start());
  Recovered nothing;
  ASSERT_TRUE(store.recover(nothing));
  const mail::QueueId staying(1);
  ASSERT_TRUE(
      commit(store, {queue::Enqueue{staying, envelope_of(staying), content_of(staying, 100)}})[0]);
  UnbrokenMail mail(store, 8000);  // 250 segments' worth
  mail.run(8);
  EXPECT_EQ(mail.refused(), 0u);
  // On a machine under load the caretaker is behind: a third is what it must have kept up with.
  EXPECT_LT(disk.segment_count(), 170u);
  std::printf("%zu segments\n", disk.segment_count());
}

// Everything is taken until there is no room; then what frees room still works, and room comes
// back.
TEST(LogReuse, AFullLogEmptiesAndFillsAgain) {
  SimulatedDisk disk(1);
  disk.set_segments_max(8);
  backends::LogStore store(small_log(), disk.device());
  ASSERT_TRUE(store.start());
  std::uint64_t number = 0;
  for (int round = 0; round < 4; ++round) {
    std::vector<std::pair<mail::QueueId, queue::Location>> stored;
    while (true) {
      const mail::QueueId id(++number);
      const auto result =
          commit(store, {queue::Enqueue{id, envelope_of(id), content_of(id, 3000)}})[0];
      if (!result) {
        ASSERT_EQ(result.error().code, ErrorCode::storage_full);
        break;
      }
      stored.emplace_back(id, *result);
    }
    ASSERT_GT(stored.size(), 100u) << "round " << round;
    // In one batch with what frees room, content is refused and the rest works.
    mail::Settlement settlement;
    settlement.sequence = 1;
    const mail::QueueId refused(++number);
    const auto mixed =
        commit(store, {queue::Settle{stored[0].first, stored[0].second, settlement},
                       queue::Enqueue{refused, envelope_of(refused), content_of(refused, 3000)},
                       queue::Discard{stored[0].first, stored[0].second}});
    EXPECT_TRUE(mixed[0]);
    ASSERT_FALSE(mixed[1]);
    EXPECT_EQ(mixed[1].error().code, ErrorCode::storage_full);
    EXPECT_TRUE(mixed[2]);
    for (const auto& [id, location] : stored) {
      const auto gone = commit(store, {queue::Discard{id, location}})[0];
      ASSERT_TRUE(gone) << describe(gone.error());
      EXPECT_FALSE(store.open(id, location));
    }
  }
}

TEST(LogReuse, RestartsTakeNoSegments) {
  SimulatedDisk disk(1);
  LogModel model(1, {.content_max = 300, .batch_max = 2, .live_wanted = 5});
  std::size_t most = 0;
  for (int life = 0; life < 60; ++life) {
    backends::LogStore store(small_log(), disk.device());
    open_and_check(store, model);
    ASSERT_TRUE(model.step(store));
    most = std::max(most, disk.segment_count());
  }
  EXPECT_LE(most, 8u);
}

TEST(LogReuse, ALogOfAnotherSegmentSizeIsReadAndReplaced) {
  SimulatedDisk disk(1);
  LogModel model(1, {.content_max = 3000});
  for (const std::uint32_t size : {128u << 10, 64u << 10, 256u << 10}) {
    auto options = small_log();
    options.segment_size = size;
    backends::LogStore store(options, disk.device());
    open_and_check(store, model);
    for (int i = 0; i < 200; ++i) ASSERT_TRUE(model.step(store));
  }
}

}  // namespace brevdue::tests
