// Blobs: what lies in one goes together, what lives on is moved out of sparse ones, and neither
// damage nor want of room loses anything.
#include <chrono>
#include <random>
#include <thread>

#include "backends/lmdb/lmdb_batch.h"
#include "backends/lmdb/lmdb_compaction.h"
#include "backends/lmdb/lmdb_key.h"
#include "tests/lmdb/store_on_disk.h"

namespace brevdue::tests {

using backends::LmdbBatch;
using backends::LmdbCompaction;
using backends::LmdbEnvironment;
using queue::Discard;

namespace {
class LmdbBlobs : public testing::Test {
 protected:
  void SetUp() override { open(); }
  void open() {
    environment_ = std::make_unique<LmdbEnvironment>();
    const auto options = disk_.options();
    const auto opened =
        environment_->open({options.path, options.map_size, options.growth_step, 0, false});
    ASSERT_TRUE(opened) << describe(opened.error());
    compaction_ = std::make_unique<LmdbCompaction>(*environment_);
    ASSERT_TRUE(compaction_->count());
  }

  queue::BatchResults apply(const queue::Batch& batch) {
    auto transaction = environment_->begin_write();
    EXPECT_TRUE(transaction);
    LmdbBatch applied(*environment_, transaction->get());
    auto results = applied.apply(batch, true);
    EXPECT_TRUE(results) << describe(results.error());
    EXPECT_TRUE(environment_->commit(std::move(*transaction)));
    compaction_->changed(applied.dead_change());
    return std::move(*results);
  }

  // One blob of `count` messages with ids from `first` on.
  std::vector<Sample> add(std::uint64_t first, std::size_t count, std::size_t size = 5000) {
    std::vector<Sample> samples;
    queue::Batch batch;
    for (std::uint64_t id = first; id < first + count; ++id) {
      samples.push_back(make_sample(id, size));
      batch.emplace_back(samples.back().enqueue());
    }
    for (const auto& result : apply(batch)) EXPECT_TRUE(result);
    return samples;
  }
  void discard(const std::vector<Sample>& samples, std::size_t from, std::size_t to) {
    queue::Batch batch;
    for (std::size_t i = from; i < to; ++i) {
      batch.emplace_back(Discard{samples[i].id, backends::location_of(samples[i].id)});
    }
    apply(batch);
  }

  std::size_t blobs() const {
    auto transaction = environment_->begin_read();
    MDB_stat found{};
    EXPECT_EQ(mdb_stat(transaction->get(), environment_->contents, &found), 0);
    return found.ms_entries;
  }

  // Through a store of its own, which reads what is on the disk.
  void expect_contents(const std::vector<Sample>& samples, std::size_t from, std::size_t to) {
    compaction_.reset();
    environment_.reset();
    {
      backends::LmdbStore store(disk_.options());
      const auto started = store.start();
      ASSERT_TRUE(started) << describe(started.error());
      for (std::size_t i = from; i < to; ++i) {
        const auto content = store.open(samples[i].id, backends::location_of(samples[i].id));
        ASSERT_TRUE(content) << describe(content.error());
        EXPECT_EQ(content->view(), samples[i].content.view());
      }
    }
    open();
  }

  // Flips a byte of the first blob's value and writes it back as LMDB sees it.
  void damage_first_blob(std::size_t at) {
    auto transaction = environment_->begin_write();
    ASSERT_TRUE(transaction);
    auto cursor = backends::open_cursor(transaction->get(), environment_->contents);
    MDB_val key;
    MDB_val value;
    ASSERT_EQ(mdb_cursor_get(cursor->get(), &key, &value, MDB_FIRST), 0);
    std::string bytes(static_cast<const char*>(value.mv_data), value.mv_size);
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
    backends::IntegerKey same(*backends::integer_of(key));
    value = {bytes.size(), bytes.data()};
    ASSERT_EQ(mdb_put(transaction->get(), environment_->contents, same.value(), &value, 0), 0);
    cursor->reset();
    ASSERT_TRUE(environment_->commit(std::move(*transaction)));
  }

  StoreOnDisk disk_;
  std::unique_ptr<LmdbEnvironment> environment_;
  std::unique_ptr<LmdbCompaction> compaction_;
};
}  // namespace

TEST_F(LmdbBlobs, ABatchIsOneBlobAndGoesWithItsLastMessage) {
  const auto samples = add(1, 10);
  EXPECT_EQ(blobs(), 1u);
  discard(samples, 0, 4);
  EXPECT_EQ(compaction_->dead(), 4u * 5000);
  expect_contents(samples, 4, 10);
  discard(samples, 4, 9);
  EXPECT_EQ(compaction_->dead(), 9u * 5000);
  discard(samples, 9, 10);
  EXPECT_EQ(blobs(), 0u);
  EXPECT_EQ(compaction_->dead(), 0u);
}

TEST_F(LmdbBlobs, ABlobHasSixteenPagesOrOneContent) {
  const auto small = add(1, 30, 4000);
  EXPECT_EQ(blobs(), 2u);
  const auto large = add(31, 3, 100'000);
  EXPECT_EQ(blobs(), 5u);
  expect_contents(small, 0, 30);
  expect_contents(large, 0, 3);
}

TEST_F(LmdbBlobs, TheDeadAreCountedAnewAfterOpening) {
  const auto samples = add(1, 10);
  discard(samples, 2, 9);
  compaction_.reset();
  environment_.reset();
  open();
  EXPECT_EQ(compaction_->dead(), 7u * 5000);
}

TEST_F(LmdbBlobs, SurvivorsAreMovedTogether) {
  std::vector<Sample> survivors;
  for (std::uint64_t first = 1; first <= 200; first += 10) {
    const auto samples = add(first, 10);
    discard(samples, 0, 8);
    survivors.insert(survivors.end(), samples.begin() + 8, samples.end());
  }
  EXPECT_EQ(blobs(), 20u);
  EXPECT_TRUE(compaction_->due(0));
  EXPECT_FALSE(compaction_->due(compaction_->dead()));
  while (compaction_->due(0)) ASSERT_TRUE(compaction_->step());
  EXPECT_LT(blobs(), 5u);
  EXPECT_EQ(compaction_->dead(), 0u);
  expect_contents(survivors, 0, survivors.size());
  discard(survivors, 0, survivors.size());
  EXPECT_EQ(blobs(), 0u);
}

TEST_F(LmdbBlobs, HalfALifeIsLeftWhereItIs) {
  const auto samples = add(1, 10);
  discard(samples, 0, 4);
  ASSERT_TRUE(compaction_->step());
  EXPECT_EQ(compaction_->dead(), 4u * 5000);
  expect_contents(samples, 4, 10);
}

TEST_F(LmdbBlobs, ADamagedContentIsNotMoved) {
  const auto samples = add(1, 10);
  damage_first_blob(9 * 5000 + 500);  // in the last content
  discard(samples, 0, 8);
  ASSERT_TRUE(compaction_->due(0));
  ASSERT_TRUE(compaction_->step());
  EXPECT_FALSE(compaction_->due(0)) << "it would look for ever";
  EXPECT_EQ(blobs(), 1u);
  expect_contents(samples, 8, 9);
  discard(samples, 8, 10);
  EXPECT_EQ(blobs(), 0u);
}

// At the next start the list is written anew, of those that are left.
TEST_F(LmdbBlobs, ABlobWithADamagedListIsKeptUntilTheNextStart) {
  const auto samples = add(1, 10);
  damage_first_blob(20);
  discard(samples, 0, 9);
  EXPECT_EQ(compaction_->dead(), 0u);
  ASSERT_TRUE(compaction_->step());
  EXPECT_EQ(blobs(), 1u);
  expect_contents(samples, 9, 10);
  discard(samples, 9, 10);
  EXPECT_EQ(blobs(), 0u);
}

namespace {
std::map<mail::QueueId, Sample> fill(queue::Store& store, std::uint64_t& number, bool& full) {
  std::map<mail::QueueId, Sample> live;
  for (full = false; !full;) {
    queue::Batch batch;
    std::vector<Sample> samples;
    for (int i = 0; i < 20; ++i) {
      samples.push_back(make_sample(++number, 4096));
      batch.emplace_back(samples.back().enqueue());
    }
    const auto results = commit(store, std::move(batch));
    for (std::size_t i = 0; i < results.size(); ++i) {
      if (results[i]) {
        live.emplace(samples[i].id, samples[i]);
      } else {
        EXPECT_EQ(results[i].error().code, ErrorCode::storage_full);
        full = true;
      }
    }
  }
  return live;
}
}  // namespace

// Scattered survivors would keep every page of a full map; compaction gives most of it back.
TEST(LmdbCompactionOfAFullMap, RoomComesBack) {
  StoreOnDisk disk;
  auto options = disk.options();
  options.map_size = 24u << 20;
  options.growth_step = 1u << 20;
  std::uint64_t number = 0;
  std::map<mail::QueueId, Sample> live;
  {
    backends::LmdbStore store(options);
    ASSERT_TRUE(store.start());
    CollectingSink sink;
    ASSERT_TRUE(store.recover(sink));
    bool full = false;
    std::mt19937 random(7);
    for (int round = 0; round < 3; ++round) {
      const auto before = live.size();
      live.merge(fill(store, number, full));
      EXPECT_GT(live.size(), before + 500) << "round " << round;
      for (auto at = live.begin(); at != live.end();) {
        if (random() % 5 == 0) {
          ++at;
          continue;
        }
        ASSERT_TRUE(commit(store, {Discard{at->first, backends::location_of(at->first)}})[0]);
        at = live.erase(at);
      }
      // It goes on by itself when nothing else is asked for.
      std::uint64_t room = 0;
      for (int still = 0; still < 6; ++still) {
        if (std::exchange(room, store.room()) != room) still = 0;
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
      }
    }
  }
  expect_recovered(options, live);
}

}  // namespace brevdue::tests
