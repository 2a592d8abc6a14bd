// A full map and a full disk: content is refused, what frees room works, nothing latches, and the
// room that was freed can be used again.
#include <chrono>
#include <thread>

#include <sys/mount.h>

#include "tests/lmdb/store_on_disk.h"

namespace brevdue::tests {

using mail::RecipientStatus;
using queue::Discard;
using queue::Location;
using queue::Settle;

namespace {
class Filling {
 public:
  explicit Filling(backends::LmdbStoreOptions options) : store_(std::move(options)) {
    const auto started = store_.start();
    EXPECT_TRUE(started) << describe(started.error());
    CollectingSink sink;
    EXPECT_TRUE(store_.recover(sink));
  }

  queue::Store& store() { return store_; }
  std::size_t live() const { return live_.size(); }

  // Enqueues until one is refused; any refusal but for want of room fails the test.
  void fill(std::size_t size) {
    for (int i = 0; i < 100'000; ++i) {
      const Sample sample = make_sample(++number_, size, 2);
      const auto results = commit(store_, {sample.enqueue()});
      if (results[0]) {
        live_.emplace(sample.id, std::pair(sample, *results[0]));
        continue;
      }
      ASSERT_EQ(results[0].error().code, ErrorCode::storage_full) << describe(results[0].error());
      return;
    }
    FAIL() << "it never fills";
  }

  void settle_all(std::uint32_t sequence) {
    for (auto& [id, message] : live_) {
      const auto results =
          commit(store_, {make_sample(++number_, 100'000).enqueue(),
                          Settle{id, message.second,
                                 deferral(sequence, 0, RecipientStatus::deferred, "452 4.3.1")}});
      ASSERT_TRUE(results[1]) << describe(results[1].error());
      if (results[0]) live_extra_.push_back(Discard{make_sample(number_, 0).id, *results[0]});
    }
    for (const Discard& discard : std::exchange(live_extra_, {})) {
      ASSERT_TRUE(commit(store_, {discard})[0]);
    }
  }

  void discard_every(std::size_t nth) {
    std::size_t at = 0;
    for (auto message = live_.begin(); message != live_.end();) {
      if (at++ % nth != 0) {
        ++message;
        continue;
      }
      const auto results = commit(store_, {Discard{message->first, message->second.second}});
      ASSERT_TRUE(results[0]) << describe(results[0].error());
      message = live_.erase(message);
    }
  }

  Acknowledged acknowledged() const {
    Acknowledged all;
    for (const auto& [id, message] : live_) all.emplace(id, message.first);
    return all;
  }

 private:
  backends::LmdbStore store_;
  std::uint64_t number_ = 0;
  std::map<mail::QueueId, std::pair<Sample, Location>> live_;
  std::vector<Discard> live_extra_;
};

void fill_and_drain(const backends::LmdbStoreOptions& options, std::size_t size) {
  Acknowledged acknowledged;
  {
    Filling filling(options);
    filling.fill(size);
    ASSERT_GT(filling.live(), 10u);
    for (std::uint32_t round = 1; round <= 6; ++round) {
      filling.settle_all(round);
      if (testing::Test::HasFatalFailure()) return;
      // Holes of a size that the next contents do not fit into: they may be refused.
      filling.discard_every(3);
      filling.fill(size + 3000 * round);
      if (testing::Test::HasFatalFailure()) return;
      // With a quarter left there must be room again.
      filling.discard_every(2);
      filling.discard_every(2);
      if (testing::Test::HasFatalFailure()) return;
      const std::size_t left = filling.live();
      filling.fill(size + 3000 * round);
      if (testing::Test::HasFatalFailure()) return;
      EXPECT_GT(filling.live(), left) << "freed room is not used again";
    }
    filling.discard_every(1);
    filling.fill(size);
    ASSERT_GT(filling.live(), 10u) << "an empty queue has no room";
    acknowledged = filling.acknowledged();
  }
  expect_recovered(options, acknowledged);
}

// A file system of 16 MiB.
class SmallDisk {
 public:
  SmallDisk() {
    mounted_ = ::mount("none", directory_.path().c_str(), "tmpfs", 0, "size=16m,mode=0700") == 0;
  }
  ~SmallDisk() {
    if (mounted_) ::umount2(directory_.path().c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }
  const std::string& path() const { return directory_.path(); }

 private:
  TemporaryDirectory directory_;
  bool mounted_ = false;
};
}  // namespace

TEST(LmdbRoom, AFullMap) {
  StoreOnDisk disk;
  auto options = disk.options();
  options.map_size = 8u << 20;
  fill_and_drain(options, 4096);
}

TEST(LmdbRoom, AFullMapOfLargeContents) {
  StoreOnDisk disk;
  auto options = disk.options();
  options.map_size = 16u << 20;
  fill_and_drain(options, 100'000);
}

TEST(LmdbRoom, GrowthLeavesTheReserve) {
  // On one that others fill and empty meanwhile, free space would say nothing.
  const SmallDisk small;
  if (!small.mounted()) GTEST_SKIP() << "needs the right to mount";
  StoreOnDisk disk(small.path());
  auto options = disk.options();
  RealFileSystem files;
  const auto free = files.free_space(disk.directory_fd());
  ASSERT_TRUE(free);
  // Two MiB above the reserve: less than a growth step.
  options.reserve = free->bytes - (2u << 20);
  options.growth_step = 16u << 20;
  backends::LmdbStore store(options);
  ASSERT_TRUE(store.start());
  (void)commit(store, {make_sample(1, 100'000).enqueue()});
  RealFileSystem after;
  const auto opened = after.open(AT_FDCWD, disk.data_file(), O_RDONLY, 0);
  ASSERT_TRUE(opened);
  EXPECT_LE(after.status(opened->get())->size, 2u << 20);
}

// So that a commit hardly ever waits for growth: what it will need is there before.
TEST(LmdbRoom, TheFileGrowsBetweenCommits) {
  StoreOnDisk disk;
  auto options = disk.options();
  options.growth_step = 32u << 20;
  backends::LmdbStore store(options);
  ASSERT_TRUE(store.start());
  for (std::uint64_t id = 1; id <= 40; ++id) {
    ASSERT_TRUE(commit(store, {make_sample(id, 500'000).enqueue()})[0]);
  }
  RealFileSystem files;
  const auto file = files.open(AT_FDCWD, disk.data_file(), O_RDONLY, 0);
  ASSERT_TRUE(file);
  const auto larger = [&] { return files.status(file->get())->size > options.growth_step; };
  // The first commit made one step, of which less than half is left; no commit needed a second.
  for (int i = 0; i < 1000 && !larger(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_TRUE(larger());
}

TEST(LmdbRoom, AFullDisk) {
  for (const std::size_t size : {4096u, 60'000u}) {
    const SmallDisk small;
    if (!small.mounted()) GTEST_SKIP() << "needs the right to mount";
    StoreOnDisk disk(small.path());
    auto options = disk.options();
    options.reserve = 2u << 20;
    options.growth_step = 1u << 20;
    fill_and_drain(options, size);
    if (testing::Test::HasFatalFailure()) return;
  }
}

}  // namespace brevdue::tests
