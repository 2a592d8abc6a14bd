// The log under real file systems on a disk that forgets what was not flushed: mail comes and goes,
// some of it stays, up to four batches are in flight, segments are used again and emptied, and the
// power is cut at any moment.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/disk/mounted_disk.h"
#include "tests/iouring/log_model.h"

namespace brevdue::tests {

namespace {
constexpr int lives = 25;

class LogPowerCutRootTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (const auto reason = disk::MountedDisk::why_not(GetParam())) GTEST_SKIP() << *reason;
  }
};

backends::LogStoreOptions options_on(const disk::MountedDisk& disk) {
  backends::LogStoreOptions options;
  options.path = disk.path_of("iouring");
  options.quarantine = disk.path_of("quarantine");
  options.segment_size = 128 * 1024;
  options.spare_segments_max = 4;
  return options;
}

std::string cut_for(std::uint64_t random) {
  const std::uint64_t seed = random % 1000;
  switch (random / 1000 % 4) {
    case 0:
      return "drop";
    case 1:
      return fmt::format("subset {}", seed);
    default:
      return fmt::format("torn {} {}", seed, random / 4000 % 2 == 0 ? 512 : 4096);
  }
}

// Mail until the disk is gone.
void live_until_cut(disk::MountedDisk& disk, LogModel& model) {
  backends::LogStore store(options_on(disk));
  const auto started = store.start();
  ASSERT_TRUE(started) << describe(started.error());
  Recovered recovered;
  const auto done = store.recover(recovered);
  ASSERT_TRUE(done) << describe(done.error());
  ASSERT_EQ(model.check(store, recovered), "");
  std::atomic<bool> cutting = false;
  std::atomic<bool> is_cut = false;
  std::thread cutter([&, random = model.random()] {
    std::this_thread::sleep_for(std::chrono::milliseconds(random % 150));
    cutting = true;
    disk.cut(cut_for(random / 150));
    is_cut = true;
  });
  // A full log refuses content without a write, and so may never learn that the disk is gone.
  bool works = true;
  while (works && !is_cut) {
    works = model.step(store);
    const std::string complaint = works ? model.read_one(store) : "";
    if (!complaint.empty() && !cutting) ADD_FAILURE() << complaint;
  }
  EXPECT_TRUE(cutting) << "a write failed by itself";
  cutter.join();
}
}  // namespace

TEST_P(LogPowerCutRootTest, WhatIsMovedSurvivesOnce) {
  const std::uint64_t seed = std::random_device()();
  RecordProperty("seed", std::to_string(seed));
  LogModel model(seed,
                 {.content_max = 6000, .live_wanted = 30, .keep_forever = 4, .in_flight_max = 4});
  disk::MountedDisk disk;
  disk.up(GetParam(), "--forgetful");
  std::filesystem::create_directory(disk.path_of("quarantine"));
  disk::run("sync -f '" + disk.mount() + "'");
  for (int life = 0; life < lives && !HasFailure(); ++life) {
    live_until_cut(disk, model);
    disk.remount();
  }
  ASSERT_FALSE(HasFailure()) << "seed " << seed;
  const auto segments =
      std::distance(std::filesystem::directory_iterator(disk.path_of("iouring")), {});
  std::printf("%s: %d cuts, %zu live in %td segments, %llu messages, seed %llu\n",
              GetParam().c_str(), lives, model.live(), segments,
              static_cast<unsigned long long>(model.enqueued()),
              static_cast<unsigned long long>(seed));
}

INSTANTIATE_TEST_SUITE_P(FileSystems, LogPowerCutRootTest, testing::Values("ext4", "xfs"),
                         [](const auto& fs) { return fs.param; });

}  // namespace brevdue::tests
