#include <gtest/gtest.h>

#include "tests/iouring/log_model.h"

namespace brevdue::tests {

namespace {
backends::LogStoreOptions options_of(std::uint32_t segment_size) {
  backends::LogStoreOptions options;
  options.segment_size = segment_size;
  options.spare_segments_max = 6;
  return options;
}

std::uint64_t first_seed() {
  const char* given = std::getenv("BREVDUE_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
}

// One life of the store: start, recover, mail until the power fails or `steps` are done, end.
// Returns a complaint or nothing.
std::string live(SimulatedDisk& disk, LogModel& model, std::uint32_t segment_size, unsigned steps) {
  const auto owned = store_on(disk, options_of(segment_size));
  queue::Store& store = *owned;
  if (auto started = store.start(); !started) {
    return disk.has_power() ? "start: " + describe(started.error()) : "";
  }
  Recovered recovered;
  // Mail arrives before the recovery has begun: part of it concerns nothing on the disk.
  if (auto done = store.recover(recovered); !done) {
    return disk.has_power() ? "recover: " + describe(done.error()) : "";
  }
  // A cut during recovery leaves contents unreadable: what was reported is checked in the next
  // life.
  if (!disk.has_power()) return "";
  if (auto complaint = model.check(store, recovered); !complaint.empty()) {
    return disk.has_power() ? complaint : "";
  }
  for (unsigned i = 0; i < steps; ++i) {
    if (!model.step(store)) return disk.has_power() ? "a write failed" : "";
    if (i % 4 != 0) continue;
    if (auto complaint = model.read_one(store); !complaint.empty()) {
      return disk.has_power() ? complaint : "";
    }
  }
  return "";
}

// With power: twice, and both must show the same.
std::string recover_twice(SimulatedDisk& disk, LogModel& model, std::uint32_t segment_size) {
  disk.restore_power();
  for (int round = 0; round < 2; ++round) {
    if (auto complaint = live(disk, model, segment_size, 0); !complaint.empty()) return complaint;
  }
  return "";
}
}  // namespace

// Every prefix of what the store writes in a life, three times each with the cut write torn, with
// one batch in flight and with several, attended and not. Three and four have no common divisor, so
// that each way meets each size of sectors.
TEST(LogCrash, EveryPrefix) {
  const std::uint64_t seed = first_seed();
  RecordProperty("seed", std::to_string(seed));
  unsigned cases = 0;
  std::size_t most_in_flight = 0;
  for (std::uint64_t cut = 1; cut <= 160; ++cut) {
    for (const std::size_t sector : {512u, 512u, 4096u}) {
      SimulatedDisk disk(seed + cases);
      const unsigned in_flight = cases % 2 == 0 ? 1 : 4;
      disk.set_in_flight_max(in_flight);
      if (cases % 4 >= 2) disk.set_attended();
      LogModel model(seed, {.content_max = 20'000, .in_flight_max = in_flight});
      disk.arm_cut(cut, sector);
      std::string complaint = live(disk, model, 128 * 1024, 120);
      if (complaint.empty()) complaint = recover_twice(disk, model, 128 * 1024);
      ASSERT_EQ(complaint, "") << "seed " << seed << ", cut at change " << cut;
      ++cases;
      most_in_flight = std::max(most_in_flight, disk.most_in_flight());
    }
  }
  EXPECT_EQ(most_in_flight, 4u);
  std::printf("%u cases, seed %llu\n", cases, static_cast<unsigned long long>(seed));
}

// Many lives on one disk, each cut somewhere: during start, recovery, mail, reuse, a checkpoint or
// a compaction.
TEST(LogCrash, ManyLives) {
  const std::uint64_t seed = first_seed();
  RecordProperty("seed", std::to_string(seed));
  unsigned lives = 0;
  for (std::uint64_t world = 0; world < 40; ++world) {
    SimulatedDisk disk(seed + world);
    const bool tight = world % 3 == 0;
    const unsigned in_flight = 1 + static_cast<unsigned>(world / 2 % 4);
    disk.set_in_flight_max(in_flight);
    // Of all depths: those repeat after eight worlds.
    if (world / 8 % 2 == 1) disk.set_attended();
    if (tight) disk.set_segments_max(14);
    LogModel model(seed + world, {.content_max = world % 2 == 0 ? 3000u : 12'000u,
                                  .live_wanted = tight ? 25u : 60u,
                                  .keep_forever = world % 4 == 1 ? 30u : 0u,
                                  .in_flight_max = in_flight});
    const std::uint32_t segment_size = world % 5 == 0 ? 64 * 1024 : 128 * 1024;
    for (unsigned life = 0; life < 25; ++life) {
      const bool early = model.random() % 4 == 0;
      if (model.random() % 8 != 0) {
        disk.arm_cut(1 + model.random() % (early ? 6 : 220), model.random() % 2 == 0 ? 512 : 4096);
      }
      const std::string complaint = live(disk, model, segment_size, 200);
      disk.restore_power();
      ASSERT_EQ(complaint, "") << "seed " << seed << ", world " << world << ", life " << life;
      ++lives;
    }
    ASSERT_EQ(recover_twice(disk, model, segment_size), "")
        << "seed " << seed << ", world " << world;
  }
  std::printf("%u lives, seed %llu\n", lives, static_cast<unsigned long long>(seed));
}

}  // namespace brevdue::tests
