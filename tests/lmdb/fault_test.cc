// Every write and every sync in turn fails, LMDB's own included: no result says durable that is
// not, nothing is acknowledged after the first failure, and a new store has all that was.
#include <cerrno>
#include <optional>

#include <unistd.h>

#include "tests/lmdb/failing_calls.h"
#include "tests/lmdb/store_on_disk.h"

namespace brevdue::tests {

using mail::RecipientStatus;
using queue::Location;

namespace {
struct Outcome {
  Acknowledged acknowledged;
  bool failed = false;         // a batch ended in io_failure
  bool went_on_after = false;  // and a later one was acknowledged
};

void note(Outcome& outcome, const queue::BatchResults& results) {
  for (const auto& result : results) {
    if (result && outcome.failed) outcome.went_on_after = true;
    if (result) continue;
    const ErrorCode code = result.error().code;
    const bool refused = code == ErrorCode::storage_full;
    EXPECT_TRUE(refused ||
                code == (outcome.failed ? ErrorCode::unavailable : ErrorCode::io_failure))
        << describe(result.error());
  }
  for (const auto& result : results) {
    if (!result && result.error().code == ErrorCode::io_failure) outcome.failed = true;
  }
}

// Batches of every kind of mutation, large enough that the file grows on the way.
Outcome run(queue::Store& store) {
  Outcome outcome;
  std::map<mail::QueueId, Location> locations;
  std::uint64_t number = 0;
  for (std::uint32_t round = 1; round <= 6; ++round) {
    queue::Batch batch;
    std::vector<Sample> added;
    for (std::uint32_t i = 0; i < round; ++i) {
      added.push_back(make_sample(++number, 9000 * i, 2));
      batch.push_back(added.back().enqueue());
    }
    if (locations.size() >= 2) {
      const auto [settled, settled_at] = *locations.begin();
      const auto [discarded, discarded_at] = *locations.rbegin();
      batch.push_back(queue::Settle{settled, settled_at,
                                    deferral(round, 0, RecipientStatus::deferred, "451 later")});
      batch.push_back(queue::Discard{discarded, discarded_at});
      // Answered or not, it may be gone.
      outcome.acknowledged.erase(discarded);
      locations.erase(discarded);
    }
    const auto results = commit(store, std::move(batch));
    note(outcome, results);
    for (std::size_t i = 0; i < added.size(); ++i) {
      if (!results[i]) continue;
      outcome.acknowledged.emplace(added[i].id, added[i]);
      locations[added[i].id] = *results[i];
    }
  }
  return outcome;
}

class LmdbFaults : public testing::Test {
 protected:
  void TearDown() override { heal_calls(); }
};
}  // namespace

TEST_F(LmdbFaults, TheSeamReachesLmdb) {
  StoreOnDisk disk;
  backends::LmdbStore store(disk.options());
  ASSERT_TRUE(store.start());
  ASSERT_TRUE(commit(store, {make_sample(1, 100).enqueue()})[0]);
  const std::uint64_t writes = calls_made(SystemCall::write);
  const std::uint64_t syncs = calls_made(SystemCall::sync);
  ASSERT_TRUE(commit(store, {make_sample(2, 100).enqueue()})[0]);
  // Data pages and the meta page; the meta page's descriptor syncs by itself (O_DSYNC).
  EXPECT_GE(calls_made(SystemCall::write), writes + 2);
  EXPECT_GE(calls_made(SystemCall::sync), syncs + 1);
}

TEST_F(LmdbFaults, EachWriteAndSyncFailingInTurn) {
  std::size_t points = 0;
  for (const SystemCall call : {SystemCall::write, SystemCall::sync}) {
    for (const int os_error : {EIO, ENOSPC, EDQUOT, EROFS}) {
      for (const bool always : {false, true}) {
        bool reached = true;
        for (std::uint64_t nth = 1; reached; ++nth) {
          SCOPED_TRACE(testing::Message() << (call == SystemCall::write ? "write " : "sync ") << nth
                                          << " errno " << os_error << (always ? " always" : ""));
          StoreOnDisk disk;
          Outcome outcome;
          {
            backends::LmdbStore store(disk.options());
            ASSERT_TRUE(store.start());
            const std::uint64_t before = calls_made(call);
            fail_call(call, nth, os_error, always);
            outcome = run(store);
            reached = calls_made(call) - before >= nth;
          }
          heal_calls();
          ++points;
          EXPECT_FALSE(outcome.went_on_after);
          // A failed sync is never passed over, whoever made it.
          if (reached && call == SystemCall::sync) EXPECT_TRUE(outcome.failed);
          expect_recovered(disk.options(), outcome.acknowledged);
          if (testing::Test::HasFailure()) return;
        }
      }
    }
  }
  RecordProperty("points", static_cast<int>(points));
  EXPECT_GT(points, 100u);
}

namespace {
// Steps of growth that are written beside the commits, which use them up.
backends::LmdbStoreOptions growing(const StoreOnDisk& disk) {
  auto options = disk.options();
  options.map_size = 1u << 30;
  options.growth_step = 32u << 20;
  return options;
}

constexpr std::uint32_t recipients = 400;

// About 200 KB.
mail::Settlement deferral_of_all(std::uint32_t attempt) {
  mail::Settlement settlement = deferral(attempt, 0, RecipientStatus::deferred, "451 later");
  for (std::uint32_t recipient = 1; recipient < recipients; ++recipient) {
    settlement.results.push_back(
        {recipient, RecipientStatus::deferred, std::string(mail::reply_bytes_max, 'x')});
  }
  return settlement;
}
}  // namespace

// Zeros must never meet the pages of a commit, however slow they are. Settlements take pages that
// nothing was grown for, so that they come near the zeros.
TEST_F(LmdbFaults, GrowthSparesWhatIsCommitted) {
  StoreOnDisk disk;
  Acknowledged kept;
  {
    backends::LmdbStore store(growing(disk));
    ASSERT_TRUE(store.start());
    delay_large_writes(std::chrono::milliseconds(20));
    for (std::uint32_t number = 1; number <= 120; ++number) {
      const Sample sample = make_sample(number, 500'000, recipients);
      const auto results = commit(store, {sample.enqueue()});
      ASSERT_TRUE(results[0]);
      kept.emplace(sample.id, sample);
      for (std::uint32_t attempt = 1; number % 10 == 0 && attempt <= 60; ++attempt) {
        queue::Settle settle{sample.id, *results[0], deferral_of_all(attempt)};
        ASSERT_TRUE(commit(store, {std::move(settle)})[0]);
      }
    }
  }
  expect_recovered(growing(disk), kept);
}

TEST_F(LmdbFaults, AFailedSyncOfGrowthEndsTheStore) {
  std::size_t ended = 0;
  for (std::uint64_t nth = 1; nth <= 60; ++nth) {
    SCOPED_TRACE(nth);
    StoreOnDisk disk;
    Acknowledged kept;
    {
      backends::LmdbStore store(growing(disk));
      ASSERT_TRUE(store.start());
      fail_call(SystemCall::sync, nth, EIO, false);
      bool failed = false;
      for (std::uint64_t number = 1; number <= 50; ++number) {
        const Sample sample = make_sample(number, 500'000);
        const bool acknowledged = commit(store, {sample.enqueue()})[0].has_value();
        EXPECT_FALSE(acknowledged && failed);
        if (acknowledged) kept.emplace(sample.id, sample);
        failed = failed || !acknowledged;
      }
      ended += failed ? 1 : 0;
    }
    heal_calls();
    expect_recovered(growing(disk), kept);
    if (testing::Test::HasFailure()) return;
  }
  // 50 commits of their own, the first step, and parts of the next; the last may come too late.
  EXPECT_GE(ended, 51u);
}

TEST_F(LmdbFaults, AStartThatCannotWriteIsAnError) {
  for (std::uint64_t nth = 1; nth <= 4; ++nth) {
    StoreOnDisk disk;
    fail_call(SystemCall::write, nth, EIO, true);
    backends::LmdbStore store(disk.options());
    const auto started = store.start();
    heal_calls();
    if (started) continue;
    EXPECT_FALSE(describe(started.error()).empty());
    expect_recovered(disk.options(), {});
  }
}

// What a power cut in the midst of the first start leaves must not keep the next one from starting:
// LMDB refuses a file whose first pages are not there.
TEST_F(LmdbFaults, AFirstStartThatWasCutIsBegunAnew) {
  unsigned refused = 0;
  for (const SystemCall call : {SystemCall::write, SystemCall::sync}) {
    for (std::uint64_t nth = 1; nth <= 5; ++nth) {
      SCOPED_TRACE(nth);
      StoreOnDisk disk;
      {
        fail_call(call, nth, EIO, true);
        backends::LmdbStore store(disk.options());
        refused += store.start() ? 0 : 1;
        heal_calls();
      }
      // The pages that were not synced are gone, the length is there.
      const std::string unfinished = disk.data_file() + ".new";
      if (::access(unfinished.c_str(), F_OK) == 0) {
        ASSERT_EQ(::truncate(unfinished.c_str(), 0), 0);
        ASSERT_EQ(::truncate(unfinished.c_str(), 8192), 0);
      }
      expect_recovered(disk.options(), {});
      EXPECT_NE(::access(unfinished.c_str(), F_OK), 0);
    }
  }
  EXPECT_GT(refused, 5u);
}

}  // namespace brevdue::tests
