// Several batches in flight: who is answered when, and what a power cut leaves of them.
#include <atomic>
#include <deque>
#include <future>
#include <set>

#include <gtest/gtest.h>

#include "tests/iouring/log_model.h"

namespace brevdue::tests {

namespace {
using Fate = SimulatedDisk::Fate;

backends::LogStoreOptions small_log(std::uint32_t segment_size = 128 * 1024) {
  backends::LogStoreOptions options;
  options.segment_size = segment_size;
  return options;
}

queue::Batch batch_of(std::uint64_t number, std::size_t size = 5000) {
  const mail::QueueId id(number);
  return {queue::Enqueue{id, envelope_of(id), content_of(id, size)}};
}

// A store whose writes end when the test says so, and what it answered.
class HeldStore {
 public:
  explicit HeldStore(SimulatedDisk& disk) : disk_(disk), store_(store_on(disk, small_log())) {
    const auto started = store_->start();
    EXPECT_TRUE(started);
    disk_.hold_writes();
  }

  void submit(queue::Batch batch) {
    auto& answer = answers_.emplace_back();
    store_->submit(std::move(batch), [this, &answer](queue::BatchResults results) {
      awaited_at_answer_ = disk_.awaited();
      answered_.fetch_add(1);
      answer.set_value(std::move(results));
    });
  }
  // Once for each that was submitted.
  queue::BatchResults answer(std::size_t which) { return answers_.at(which).get_future().get(); }
  unsigned answered() const { return answered_.load(); }
  std::size_t awaited_at_answer() const { return awaited_at_answer_; }

 private:
  SimulatedDisk& disk_;
  std::deque<std::promise<queue::BatchResults>> answers_;
  std::atomic<unsigned> answered_ = 0;
  std::atomic<std::size_t> awaited_at_answer_ = 0;
  std::unique_ptr<queue::Store> store_;
};

// What a start on the disk finds, having taken one more message if there is one to take.
std::set<std::uint64_t> found_on(SimulatedDisk& disk, std::uint64_t one_more = 0,
                                 std::uint32_t segment_size = 128 * 1024) {
  const auto owned = store_on(disk, small_log(segment_size));
  queue::Store& store = *owned;
  Recovered recovered;
  EXPECT_TRUE(store.start());
  EXPECT_TRUE(store.recover(recovered));
  EXPECT_TRUE(recovered.damage.empty()) << recovered.damage.front().why;
  EXPECT_EQ(recovered.twice, 0u);
  std::set<std::uint64_t> found;
  for (const auto& [id, message] : recovered.messages) found.insert(id.value());
  if (one_more != 0) {
    EXPECT_TRUE(commit(store, batch_of(one_more, 100))[0]);
  }
  return found;
}

std::vector<Fate> fates_number(unsigned number) {
  return {static_cast<Fate>(number % 4), static_cast<Fate>(number / 4 % 4),
          static_cast<Fate>(number / 16)};
}

// Puts three batches in flight, with these numbers and the next two, and cuts the power.
void cut_three(SimulatedDisk& disk, std::uint64_t first, const std::vector<Fate>& fates) {
  HeldStore store(disk);
  store.submit(batch_of(first, 5000));
  store.submit(batch_of(first + 1, 9000));
  store.submit(batch_of(first + 2, 3000));
  disk.wait_for_writes(3);
  disk.cut_now(fates);
  for (std::size_t i = 0; i < 3; ++i) {
    const auto results = store.answer(i);
    ASSERT_FALSE(results[0]);
    EXPECT_EQ(results[0].error().code, ErrorCode::io_failure);
  }
}

void keep_first_written(std::set<std::uint64_t>& numbers, std::uint64_t first,
                        const std::vector<Fate>& fates) {
  for (std::size_t i = 0; i < fates.size() && fates[i] == Fate::written; ++i) {
    numbers.insert(first + i);
  }
}

// With a store that is attended and with one that is not.
class LogInFlight : public testing::TestWithParam<bool> {
 protected:
  std::unique_ptr<SimulatedDisk> make_disk(std::uint64_t seed = 1, unsigned in_flight_max = 4) {
    auto disk = std::make_unique<SimulatedDisk>(seed);
    disk->set_in_flight_max(in_flight_max);
    if (GetParam()) disk->set_attended();
    return disk;
  }
};
}  // namespace

TEST_P(LogInFlight, AnswersComeInTheOrderOfSubmission) {
  const auto owned_disk = make_disk(1, 4);
  SimulatedDisk& disk = *owned_disk;
  HeldStore store(disk);
  for (std::uint64_t number = 1; number <= 3; ++number) store.submit(batch_of(number));
  disk.wait_for_writes(3);
  disk.end_write(2);
  disk.end_write(1);
  // It is started only after the writer has learnt of the ends before.
  store.submit(batch_of(4));
  disk.wait_for_writes(2);
  EXPECT_EQ(store.answered(), 0u);
  disk.end_write(0);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(store.answer(i)[0]);
  EXPECT_EQ(store.answered(), 3u);
  disk.end_write(0);
  EXPECT_TRUE(store.answer(3)[0]);
}

TEST_P(LogInFlight, WhatNeedsNoWriteIsAnsweredInTurn) {
  const auto owned_disk = make_disk(1, 4);
  SimulatedDisk& disk = *owned_disk;
  HeldStore store(disk);
  store.submit(batch_of(1));
  disk.wait_for_writes(1);
  const mail::QueueId gone(99);
  store.submit({queue::Discard{gone, backends::LogLocation{{7, 8192}, 60}.opaque()}});
  store.submit(batch_of(2));
  disk.wait_for_writes(2);
  EXPECT_EQ(store.answered(), 0u);
  disk.end_write(1);
  disk.end_write(0);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(store.answer(i)[0]);
}

TEST_P(LogInFlight, NoMoreThanTheDeviceTakes) {
  const auto owned_disk = make_disk(1, 2);
  SimulatedDisk& disk = *owned_disk;
  HeldStore store(disk);
  for (std::uint64_t number = 1; number <= 5; ++number) store.submit(batch_of(number));
  for (std::size_t i = 0; i < 4; ++i) {
    disk.wait_for_writes(2);
    disk.end_write(0);
    EXPECT_TRUE(store.answer(i)[0]);
  }
  disk.wait_for_writes(1);
  disk.end_write(0);
  EXPECT_TRUE(store.answer(4)[0]);
  EXPECT_EQ(disk.most_in_flight(), 2u);
}

TEST_P(LogInFlight, AfterAFailureNothingIsAcknowledged) {
  for (std::size_t failing = 0; failing < 3; ++failing) {
    const auto owned_disk = make_disk(1, 4);
    SimulatedDisk& disk = *owned_disk;
    {
      HeldStore store(disk);
      for (std::uint64_t number = 1; number <= 3; ++number) store.submit(batch_of(number));
      disk.wait_for_writes(3);
      disk.fail_write(failing, EIO);
      // The others end well, and only then may anybody be told.
      disk.end_write(1);
      disk.end_write(0);
      for (std::size_t i = 0; i < 3; ++i) {
        const auto results = store.answer(i);
        ASSERT_FALSE(results[0]);
        EXPECT_EQ(results[0].error().code, ErrorCode::io_failure);
      }
      EXPECT_EQ(store.awaited_at_answer(), 0u);
      store.submit(batch_of(4));
      const auto later = store.answer(3);
      ASSERT_FALSE(later[0]);
      EXPECT_EQ(later[0].error().code, ErrorCode::unavailable);
    }
    disk.restore_power();
    std::set<std::uint64_t> kept;
    for (std::uint64_t number = 1; number <= failing; ++number) kept.insert(number);
    EXPECT_EQ(found_on(disk), kept);
  }
}

// Each of three batches in flight is written, lost or torn, in every combination, twice in a row:
// the second time over what the first one left behind.
TEST_P(LogInFlight, TheLogEndsAtTheFirstThatIsNotWhole) {
  for (unsigned first = 0; first < 64; ++first) {
    for (unsigned second = 0; second < 64; second += 1 + first % 7) {
      SCOPED_TRACE(testing::Message() << "fates " << first << " and " << second);
      const auto owned_disk = make_disk(1, 4);
      SimulatedDisk& disk = *owned_disk;
      std::set<std::uint64_t> expected;
      EXPECT_EQ(found_on(disk, 1), expected);
      expected.insert(1);
      cut_three(disk, 10, fates_number(first));
      keep_first_written(expected, 10, fates_number(first));
      disk.restore_power();
      EXPECT_EQ(found_on(disk), expected);
      cut_three(disk, 20, fates_number(second));
      keep_first_written(expected, 20, fates_number(second));
      disk.restore_power();
      EXPECT_EQ(found_on(disk, 2), expected);
      expected.insert(2);
      EXPECT_EQ(found_on(disk), expected);
      ASSERT_FALSE(testing::Test::HasFailure());
    }
  }
}

// The new store makes segments of another size and so cannot go on where the log ended.
TEST_P(LogInFlight, WhatWasDroppedStaysDroppedInASegmentThatIsLeftAtOnce) {
  for (unsigned fates = 0; fates < 64; ++fates) {
    const auto owned_disk = make_disk(1, 4);
    SimulatedDisk& disk = *owned_disk;
    std::set<std::uint64_t> expected;
    cut_three(disk, 10, fates_number(fates));
    keep_first_written(expected, 10, fates_number(fates));
    disk.restore_power();
    EXPECT_EQ(found_on(disk, 1, 256 * 1024), expected);
    expected.insert(1);
    EXPECT_EQ(found_on(disk, 0, 256 * 1024), expected);
    ASSERT_FALSE(testing::Test::HasFailure()) << "fates " << fates;
  }
}

TEST_P(LogInFlight, AHoleInWhatWasAcknowledgedIsDamage) {
  const auto owned_disk = make_disk(1, 4);
  SimulatedDisk& disk = *owned_disk;
  std::uint32_t hole = 0;
  {
    HeldStore store(disk);
    for (std::uint64_t number = 1; number <= 3; ++number) store.submit(batch_of(number));
    disk.wait_for_writes(3);
    for (const std::size_t which : {1u, 1u, 0u}) disk.end_write(which);
    const auto location = store.answer(0)[0];
    hole = backends::LogLocation::of(*location).place.offset / backends::log_block;
    store.submit(batch_of(4));  // says that those before it were durable
    disk.wait_for_writes(1);
    disk.end_write(0);
    EXPECT_TRUE(store.answer(3)[0]);
  }
  disk.restore_power();
  disk.segments().at(1).replace(hole * backends::log_block, backends::log_block,
                                std::string(backends::log_block, '\0'));
  backends::LogStore store(small_log(), disk.device());
  ASSERT_TRUE(store.start());
  Recovered recovered;
  ASSERT_TRUE(store.recover(recovered));
  EXPECT_EQ(recovered.damage.size(), 1u);
  EXPECT_EQ(recovered.messages.size(), 3u);
}

// Else the footer of the old one and the header of the next would say of the batch in flight that
// it was durable, and what a cut made of it would be taken for damage.
TEST_P(LogInFlight, ASegmentIsLeftOnlyWhenNothingIsInFlight) {
  for (unsigned fate = 1; fate < 4; ++fate) {
    const auto owned_disk = make_disk(fate, 4);
    SimulatedDisk& disk = *owned_disk;
    {
      HeldStore store(disk);
      store.submit(batch_of(1, 70'000));
      store.submit(batch_of(2, 70'000));
      disk.wait_for_writes(1);
      disk.cut_now({static_cast<Fate>(fate)});
      EXPECT_FALSE(store.answer(0)[0]);
      EXPECT_FALSE(store.answer(1)[0]);
    }
    disk.restore_power();
    EXPECT_EQ(found_on(disk), std::set<std::uint64_t>());
  }
}

INSTANTIATE_TEST_SUITE_P(Ways, LogInFlight, testing::Bool(),
                         [](const auto& info) { return info.param ? "Attended" : "ByItself"; });

}  // namespace brevdue::tests
