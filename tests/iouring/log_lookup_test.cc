// How many reads a look-up costs, and that what it holds of the log never stands in the way.
#include <atomic>

#include <gtest/gtest.h>

#include "tests/iouring/log_model.h"

namespace brevdue::tests {

namespace {
// Counts the reads of another device.
class CountedDevice final : public backends::LogDevice {
 public:
  CountedDevice(std::unique_ptr<LogDevice> device, std::atomic<unsigned>& reads)
      : device_(std::move(device)), reads_(reads) {}

  Result<std::vector<backends::SegmentFile>> start() override { return device_->start(); }
  Result<unsigned> begin_batches(std::string_view arena) override {
    return device_->begin_batches(arena);
  }
  void start_write(const backends::BatchWrite& write) override { device_->start_write(write); }
  std::optional<backends::EndedWrite> await_write() override { return device_->await_write(); }
  void wake() override { device_->wake(); }
  Result<void> write_durable(std::uint32_t number, std::uint64_t offset,
                             std::string_view bytes) override {
    return device_->write_durable(number, offset, bytes);
  }
  Result<std::size_t> read(std::uint32_t number, std::uint64_t offset, char* to,
                           std::size_t size) override {
    ++reads_;
    return device_->read(number, offset, to, size);
  }
  Result<void> create(std::uint32_t number, std::uint64_t size,
                      const std::function<bool()>& goes_on) override {
    return device_->create(number, size, goes_on);
  }
  Result<void> remove(std::uint32_t number) override { return device_->remove(number); }
  Result<std::uint64_t> free_space() override { return device_->free_space(); }
  Result<std::string> set_aside(const std::string& name, std::string_view bytes) override {
    return device_->set_aside(name, bytes);
  }
  Result<std::string> set_aside_segment(std::uint32_t number, const std::string& name) override {
    return device_->set_aside_segment(number, name);
  }

 private:
  std::unique_ptr<LogDevice> device_;
  std::atomic<unsigned>& reads_;
};

mail::Settlement deferral(std::uint32_t sequence) {
  mail::Settlement settlement;
  settlement.sequence = settlement.attempts = sequence;
  settlement.results = {{0, mail::RecipientStatus::deferred, "451 4.4.1 later"}};
  return settlement;
}

// A store of 400 messages of 4 KiB, each settled once.
class SettledLog : public testing::Test {
 protected:
  void SetUp() override {
    store_ = std::make_unique<backends::LogStore>(
        options(), std::make_unique<CountedDevice>(disk_.device(), reads_));
    ASSERT_TRUE(store_->start());
    Recovered nothing;
    ASSERT_TRUE(store_->recover(nothing));
    for (std::uint64_t i = 0; i < count; ++i) {
      const mail::QueueId id(i + 1);
      const auto put = commit(*store_, {queue::Enqueue{id, envelope_of(id), content_of(id, 4096)}});
      ASSERT_TRUE(put[0]);
      locations_.push_back(*put[0]);
    }
    for (std::uint64_t i = 0; i < count; ++i) settle(i, 1, true);
    reads_ = 0;
  }

  static backends::LogStoreOptions options() {
    backends::LogStoreOptions options;
    options.segment_size = 1u << 20;
    return options;
  }
  void settle(std::uint64_t i, std::uint32_t sequence, bool whole) {
    queue::Settle settle{mail::QueueId(i + 1), locations_[i], deferral(sequence)};
    if (whole) settle.whole = settle.settlement;
    ASSERT_TRUE(commit(*store_, {settle})[0]);
  }
  void expect(std::uint64_t i, std::uint32_t sequence) {
    const mail::QueueId id(i + 1);
    const auto found = store_->look_up(id, locations_[i]);
    ASSERT_TRUE(found) << describe(found.error());
    EXPECT_TRUE(found->envelope.view() == envelope_of(id).view());
    EXPECT_EQ(found->state.sequence, sequence);
    ASSERT_EQ(found->state.results.size(), 1u);
    EXPECT_EQ(found->state.results[0].reply, "451 4.4.1 later");
  }

  static constexpr std::uint64_t count = 400;
  SimulatedDisk disk_{1};
  std::atomic<unsigned> reads_{0};
  std::vector<queue::Location> locations_;
  std::unique_ptr<backends::LogStore> store_;
};
}  // namespace

TEST_F(SettledLog, ALookUpCostsTwoReads) {
  for (std::uint64_t i = 0; i < count; ++i) {
    // Far from the one before.
    reads_ = 0;
    expect(i * 151 % count, 1);
    EXPECT_LE(reads_, 2u);
  }
}

TEST_F(SettledLog, InTheirOrderAllCostAFewReads) {
  for (std::uint64_t i = 0; i < count; ++i) expect(i, 1);
  // Two blocks a message and one a settlement: 4.7 MiB in pieces of 256 KiB, and what a new segment
  // costs.
  EXPECT_LE(reads_, 40u);
}

TEST_F(SettledLog, WhatIsNewIsFoundAmongWhatWasReadBefore) {
  for (std::uint64_t i = 0; i < count; ++i) expect(i, 1);
  for (std::uint64_t i = count - 20; i < count; ++i) {
    settle(i, 2, true);
    expect(i, 2);
  }
  const mail::QueueId id(count + 1);
  const auto put = commit(*store_, {queue::Enqueue{id, envelope_of(id), content_of(id, 100)}});
  ASSERT_TRUE(put[0]);
  const auto found = store_->look_up(id, *put[0]);
  ASSERT_TRUE(found) << describe(found.error());
  EXPECT_EQ(found->state, mail::DeliveryState());
}

TEST_F(SettledLog, ADeltaIsGatheredWithWhatCameBefore) {
  settle(7, 2, false);
  settle(7, 3, false);
  expect(7, 3);
  settle(7, 4, true);
  reads_ = 0;
  expect(7, 4);
  EXPECT_LE(reads_, 2u);
}

TEST_F(SettledLog, ADamagedSettlementIsLeftOut) {
  const std::string reply = "450 4.2.0 about to be damaged";
  queue::Settle settle{mail::QueueId(8), locations_[7], deferral(2)};
  settle.settlement.results[0].reply = reply;
  settle.whole = settle.settlement;
  ASSERT_TRUE(commit(*store_, {settle})[0]);
  unsigned damaged = 0;
  for (auto& [number, bytes] : disk_.segments()) {
    const auto at = bytes.find(reply);
    if (at == std::string::npos) continue;
    bytes[at] = '9';
    ++damaged;
  }
  ASSERT_EQ(damaged, 1u);
  expect(7, 1);
}

}  // namespace brevdue::tests
