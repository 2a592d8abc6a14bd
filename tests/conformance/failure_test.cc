#include <cerrno>

#include "tests/conformance/store_conformance.h"
#include "tests/support/faulty_file_system.h"

namespace brevdue::tests {

using mail::RecipientStatus;
using queue::Discard;
using queue::Location;
using queue::Settle;

TEST_P(StoreConformance, WithoutRoomContentIsRefusedAndTheRestWorks) {
  if (GetParam().name == "MemoryStore") GTEST_SKIP() << "its room is the disk's";
  start();
  const Sample first = make_sample(1, 2000, 2);
  const Sample second = make_sample(2, 2000);
  put(first);
  put(second);
  start({.full = true});
  const auto recovered = recover();
  ASSERT_EQ(recovered.size(), 2u);
  EXPECT_EQ(store().room(), 0u);
  const auto settlement = deferral(1, 0, RecipientStatus::deferred, "451 4.0.0 later");
  const auto results =
      commit(store(), {make_sample(3, 2000).enqueue(),
                       Settle{first.id, recovered.at(first.id).location, settlement},
                       Discard{second.id, recovered.at(second.id).location}});
  ASSERT_EQ(results.size(), 3u);
  ASSERT_FALSE(results[0]);
  EXPECT_EQ(results[0].error().code, ErrorCode::storage_full);
  EXPECT_TRUE(results[1]) << describe(results[1].error());
  EXPECT_TRUE(results[2]) << describe(results[2].error());
  const auto again = reopen();
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again.at(first.id).state.attempts, 1u);
}

// Each sync in turn fails: its batch fails, everything later is unavailable, and a new store on the
// same disk has all that was acknowledged before.
TEST_P(StoreConformance, AFailedSyncEndsTheStore) {
  if (!GetParam().uses_file_system) GTEST_SKIP() << "its syncs do not go through the file system";
  for (const Call call : {Call::sync, Call::sync_content, Call::sync_file_system}) {
    for (std::uint64_t nth = 1; nth <= 3; ++nth) {
      SetUp();
      RealFileSystem real;
      FaultyFileSystem files(real);
      start({.files = &files});
      const Sample kept = make_sample(1, 800);
      put(kept);
      files.fail(call, nth, EIO);
      bool failed = false;
      for (std::uint64_t number = 10; number < 16; ++number) {
        const auto results = commit(store(), {make_sample(number, 700).enqueue(),
                                              make_sample(number + 100, 700).enqueue()});
        for (const auto& result : results) {
          if (failed) {
            ASSERT_FALSE(result) << "acknowledged after a failed sync";
            EXPECT_EQ(result.error().code, ErrorCode::unavailable);
          } else if (!result) {
            EXPECT_EQ(result.error().code, ErrorCode::io_failure);
          }
        }
        failed = failed || !results[0];
      }
      const auto recovered = reopen();
      EXPECT_TRUE(recovered.contains(kept.id));
      expect_content(kept, recovered.at(kept.id).location);
    }
  }
}

TEST_P(StoreConformance, ResultsOfBatchesComeInTheOrderOfSubmission) {
  start();
  std::vector<int> order;
  std::promise<void> last;
  for (int i = 0; i < 20; ++i) {
    store().submit({make_sample(static_cast<std::uint64_t>(i) + 1, 100).enqueue()},
                   [&order, &last, i](queue::BatchResults results) {
                     EXPECT_EQ(results.size(), 1u);
                     order.push_back(i);
                     if (i == 19) last.set_value();
                   });
  }
  last.get_future().wait();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
}

TEST_P(StoreConformance, DestroyedWithBatchesInFlightEachIsAnswered) {
  start();
  int answered = 0;
  int durable = 0;
  for (std::uint64_t i = 1; i <= 20; ++i) {
    store().submit({make_sample(i, 5000).enqueue()}, [&](queue::BatchResults results) {
      ++answered;
      durable += results[0] ? 1 : 0;
    });
  }
  stop();
  EXPECT_EQ(answered, 20);
  const auto recovered = reopen();
  EXPECT_GE(recovered.size(), static_cast<std::size_t>(durable));
}

TEST_P(StoreConformance, AFailureFailsEveryBatchInFlight) {
  if (!GetParam().uses_file_system) GTEST_SKIP() << "syncs by other means than the FileSystem";
  RealFileSystem real;
  FaultyFileSystem files(real);
  start({.files = &files});
  put(make_sample(1, 4096));
  for (const Call kind : {Call::sync, Call::sync_content, Call::sync_file_system, Call::write}) {
    files.fail(kind, 1, EIO, Lasting::always);
  }
  std::vector<std::future<queue::BatchResults>> futures;
  for (std::uint64_t i = 0; i < 20; ++i) {
    futures.push_back(submit(
        store(), {make_sample(10 + 2 * i, 100).enqueue(), make_sample(11 + 2 * i, 100).enqueue()}));
  }
  bool latched = false;
  for (auto& future : futures) {
    for (const auto& result : future.get()) {
      ASSERT_FALSE(result);
      const ErrorCode code = result.error().code;
      EXPECT_TRUE(code == ErrorCode::unavailable || (code == ErrorCode::io_failure && !latched));
      latched = code == ErrorCode::unavailable;
    }
  }
  files.heal();
  for (const auto& result : commit(store(), {make_sample(900, 10).enqueue()})) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::unavailable);
  }
  EXPECT_GE(reopen().size(), 1u);
}

// No space at the device in the middle of a batch: what was refused leaves nothing behind.
TEST_P(StoreConformance, NoSpaceAtTheDevice) {
  if (!GetParam().uses_file_system) GTEST_SKIP() << "writes by other means than the FileSystem";
  RealFileSystem real;
  FaultyFileSystem files(real);
  start({.files = &files});
  const Sample stays = make_sample(1, 4096, 2);
  const Sample goes = make_sample(2, 4096);
  const Location stays_at = put(stays);
  const Location goes_at = put(goes);
  files.fail(Call::write, 1, ENOSPC);
  const auto results = commit(
      store(),
      {make_sample(3, 4096).enqueue(),
       Settle{stays.id, stays_at, deferral(1, 0, RecipientStatus::deferred, "451 4.3.0 later")},
       Discard{goes.id, goes_at}});
  ASSERT_EQ(results.size(), 3u);
  ASSERT_FALSE(results[0]);
  EXPECT_EQ(results[0].error().code, ErrorCode::storage_full);
  ASSERT_TRUE(results[1]) << describe(results[1].error());
  ASSERT_TRUE(results[2]) << describe(results[2].error());
  files.heal();
  put(make_sample(3, 4096));
  EXPECT_EQ(reopen().size(), 2u);
}

}  // namespace brevdue::tests
