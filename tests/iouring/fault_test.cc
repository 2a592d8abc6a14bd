#include <cerrno>

#include <gtest/gtest.h>

#include "tests/iouring/log_model.h"

namespace brevdue::tests {

namespace {
backends::LogStoreOptions small_log() {
  backends::LogStoreOptions options;
  options.segment_size = 128 * 1024;
  return options;
}

// Runs until the store fails; then it must stay failed, and another one must find everything.
void expect_latched_and_recovered(SimulatedDisk& disk, LogModel& model, const std::string& what) {
  {
    backends::LogStore store(small_log(), disk.device());
    ASSERT_TRUE(store.start()) << what;
    Recovered recovered;
    ASSERT_TRUE(store.recover(recovered)) << what;
    ASSERT_EQ(model.check(store, recovered), "") << what;
    for (int i = 0; i < 400 && model.step(store); ++i) {
    }
    const mail::QueueId id(7);
    const auto later = commit(store, {queue::Enqueue{id, envelope_of(id), content_of(id, 10)}});
    ASSERT_FALSE(later[0]) << what;
    EXPECT_EQ(later[0].error().code, ErrorCode::unavailable) << what;
    EXPECT_EQ(store.room(), 0u);
  }
  disk.restore_power();
  for (int round = 0; round < 2; ++round) {
    backends::LogStore store(small_log(), disk.device());
    ASSERT_TRUE(store.start()) << what;
    Recovered recovered;
    ASSERT_TRUE(store.recover(recovered)) << what;
    ASSERT_EQ(model.check(store, recovered), "") << what;
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(model.step(store)) << what;
  }
}

// Lets the caretaker make what it will make, so that the next writes are the writer's.
void fill(SimulatedDisk& disk, LogModel& model) {
  backends::LogStore store(small_log(), disk.device());
  ASSERT_TRUE(store.start());
  Recovered recovered;
  ASSERT_TRUE(store.recover(recovered));
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(model.step(store));
}
}  // namespace

TEST(LogFault, AFailedWriteIsLatched) {
  for (const int os_error : {EIO, ENOSPC, EROFS}) {
    for (std::uint64_t nth = 2; nth <= 40; nth += 2) {
      SimulatedDisk disk(nth);
      LogModel model(nth, {});
      fill(disk, model);
      disk.fail_change(SimulatedDisk::Change::write, nth, os_error);
      expect_latched_and_recovered(disk, model,
                                   std::to_string(os_error) + " at " + std::to_string(nth));
    }
  }
}

TEST(LogFault, AShortWriteIsAFailedWrite) {
  for (std::uint64_t nth = 2; nth <= 40; ++nth) {
    SimulatedDisk disk(nth);
    LogModel model(nth, {});
    fill(disk, model);
    disk.shorten_write(nth);
    // The nth change may be the making of a segment, which cannot be short: then nothing fails.
    {
      backends::LogStore store(small_log(), disk.device());
      ASSERT_TRUE(store.start());
      Recovered recovered;
      ASSERT_TRUE(store.recover(recovered));
      ASSERT_EQ(model.check(store, recovered), "");
      for (int i = 0; i < 60 && model.step(store); ++i) {
      }
    }
    disk.restore_power();
    backends::LogStore next(small_log(), disk.device());
    ASSERT_TRUE(next.start());
    Recovered again;
    ASSERT_TRUE(next.recover(again));
    ASSERT_EQ(model.check(next, again), "") << nth;
  }
}

TEST(LogFault, TheFirstFailureSaysWhy) {
  SimulatedDisk disk(1);
  backends::LogStore store(small_log(), disk.device());
  ASSERT_TRUE(store.start());
  const auto send = [&](std::uint64_t number) {
    const mail::QueueId id(number);
    return commit(store, {queue::Enqueue{id, envelope_of(id), content_of(id, 10)}})[0];
  };
  ASSERT_TRUE(send(1));
  // The caretaker makes segments by create; every write from here on is a batch.
  disk.fail_change(SimulatedDisk::Change::write, 1, ENOSPC);
  const auto failed = send(2);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::io_failure);
  EXPECT_EQ(failed.error().os_error, ENOSPC);
  const auto later = send(3);
  ASSERT_FALSE(later);
  EXPECT_EQ(later.error().code, ErrorCode::unavailable);
}

TEST(LogFault, SegmentsThatCannotBeMadeCostRoomOnly) {
  for (const int os_error : {ENOSPC, EIO}) {
    SimulatedDisk disk(1);
    LogModel model(3, {});
    fill(disk, model);
    disk.fail_change(SimulatedDisk::Change::create, 1, os_error);
    backends::LogStore store(small_log(), disk.device());
    ASSERT_TRUE(store.start());
    Recovered recovered;
    ASSERT_TRUE(store.recover(recovered));
    ASSERT_EQ(model.check(store, recovered), "");
    for (int i = 0; i < 200; ++i) ASSERT_TRUE(model.step(store));
  }
}

TEST(LogFault, AFullDiskIsNoReasonNotToStart) {
  SimulatedDisk disk(1);
  disk.set_segments_max(0);
  backends::LogStore store(small_log(), disk.device());
  ASSERT_TRUE(store.start());
  EXPECT_EQ(store.room(), 0u);
  const mail::QueueId id(1);
  const auto results = commit(store, {queue::Enqueue{id, envelope_of(id), content_of(id, 10)}});
  ASSERT_FALSE(results[0]);
  EXPECT_EQ(results[0].error().code, ErrorCode::storage_full);
}

TEST(LogFault, ADiskThatDoesNotAnswerIsAnError) {
  SimulatedDisk disk(1);
  LogModel model(3, {});
  fill(disk, model);
  disk.fail_all_reads(true);
  {
    backends::LogStore store(small_log(), disk.device());
    const auto started = store.start();
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().code, ErrorCode::io_failure);
  }
  disk.fail_all_reads(false);
  backends::LogStore store(small_log(), disk.device());
  ASSERT_TRUE(store.start());
  disk.fail_all_reads(true);
  Recovered recovered;
  const auto done = store.recover(recovered);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::io_failure);
  EXPECT_TRUE(recovered.damage.empty());
  disk.fail_all_reads(false);
}

}  // namespace brevdue::tests
