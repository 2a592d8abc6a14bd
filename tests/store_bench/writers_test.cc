#include "bench/store/writers.h"

#include <filesystem>
#include <stdexcept>

#include <gtest/gtest.h>

#include "tests/support/temporary_directory.h"

namespace brevdue::bench {

namespace {
constexpr unsigned count = 8;
constexpr std::size_t size = 100;

class WritersTest : public testing::Test {
 protected:
  tests::TemporaryDirectory directory_;
  NamedQueue queue_{directory_.path(), "maildir"};
};

TEST_F(WritersTest, AllThatStayAreInTheQueueAfterStop) {
  Writers writers(queue_, count, size, all_stay);
  writers.start();
  writers.run_until(100);
  writers.stop();
  EXPECT_EQ(queue_.queue().size(), writers.durable());
  EXPECT_EQ(writers.staying(), writers.durable());
  EXPECT_GE(writers.durable(), 100u);
}

TEST_F(WritersTest, NothingIsInTheQueueAfterStopIfNothingStays) {
  Writers writers(queue_, count, size, none_stays);
  writers.start();
  writers.run_until(100);
  EXPECT_LE(queue_.queue().size(), 2u * count);
  writers.stop();
  EXPECT_EQ(queue_.queue().size(), 0u);
}

TEST_F(WritersTest, AtMostSoManyStayAsAreWanted) {
  Writers writers(queue_, count, size, {.percent = 50, .most = 20});
  writers.start();
  writers.run_until(300);
  writers.stop();
  EXPECT_EQ(writers.staying(), 20u);
  EXPECT_EQ(queue_.queue().size(), 20u);
}

TEST_F(WritersTest, TheDiscardRidesInTheBatchOfTheNextMessage) {
  Writers writers(queue_, 1, size, none_stays);
  writers.start();
  writers.run_until(50);
  const auto statistics = queue_.queue().statistics();
  EXPECT_EQ(statistics.batches, statistics.enqueued);
  writers.stop();
}

TEST_F(WritersTest, WhatStayedCanBeDiscardedAndTheWritersGoOn) {
  Writers writers(queue_, count, size, all_stay);
  writers.start();
  writers.run_until(50);
  writers.stop();
  writers.discard_staying();
  EXPECT_EQ(queue_.queue().size(), 0u);
  writers.forget_latencies();
  const std::uint64_t before = writers.durable();
  writers.start();
  writers.run_for(std::chrono::hours(1), 50);
  writers.stop();
  EXPECT_EQ(queue_.queue().size(), writers.durable() - before);
  EXPECT_EQ(writers.latencies().count(), writers.durable() - before);
}

TEST(NamedQueueTest, ItsDirectoryGoesWithIt) {
  const tests::TemporaryDirectory directory;
  {
    const NamedQueue queue(directory.path(), "lmdb");
  }
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

TEST(NamedQueueTest, AnUnknownBackendThrowsAndLeavesNothing) {
  const tests::TemporaryDirectory directory;
  EXPECT_THROW(NamedQueue(directory.path(), "tape"), std::runtime_error);
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}
}  // namespace

}  // namespace brevdue::bench
