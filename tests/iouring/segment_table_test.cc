#include "backends/iouring/segment_table.h"

#include <gtest/gtest.h>

namespace brevdue::tests {

using namespace backends;

namespace {
Segment& add(SegmentTable& table, std::uint32_t generation, bool closed = true) {
  return table.add({.header = {.number = generation, .size = 1u << 20, .generation = generation},
                    .closed = closed});
}
}  // namespace

TEST(LiveSet, AddsRemovesAndForgets) {
  LiveSet live;
  live.add({100, 200, 300});
  live.add({50, 60});  // what recovery finds may come after what the writer added
  EXPECT_EQ(live.offsets(), (std::vector<std::uint32_t>{50, 60, 100, 200, 300}));
  live.remove(200);
  live.remove(200);
  live.remove(999);
  EXPECT_EQ(live.size(), 4u);
  EXPECT_FALSE(live.contains(200));
  EXPECT_TRUE(live.contains(60));
  for (const std::uint32_t offset : {50u, 60u, 100u}) live.remove(offset);
  EXPECT_EQ(live.offsets(), std::vector<std::uint32_t>{300});
  live.remove(300);
  EXPECT_EQ(live.size(), 0u);
}

TEST(SegmentTable, NothingIsFreeBeforeTheScan) {
  SegmentTable table;
  add(table, 1);
  EXPECT_TRUE(table.free().empty());
  table.set_scanned();
  EXPECT_EQ(table.free(), std::vector<std::uint32_t>{1});
}

TEST(SegmentTable, OpenKeptAndLivingSegmentsAreNotFree) {
  SegmentTable table;
  table.set_scanned();
  add(table, 1).live.add({9000});
  add(table, 2).kept = true;
  add(table, 3, false);
  EXPECT_TRUE(table.free().empty());
  table.discard({1, 9000});
  EXPECT_EQ(table.free(), std::vector<std::uint32_t>{1});
}

TEST(SegmentTable, ATombstonePinsUntilItsTargetIsGone) {
  SegmentTable table;
  table.set_scanned();
  add(table, 1).live.add({9000});
  add(table, 2);
  add(table, 3);
  table.note_tombstone(2, 1);
  table.note_settlement(3, 2);
  table.note_tombstone(3, 3);  // of itself: goes with it
  EXPECT_TRUE(table.free().empty());
  EXPECT_EQ(table.pinned(), 2u);
  EXPECT_EQ(table.occupied(), 1u);
  table.discard({1, 9000});
  EXPECT_EQ(table.free(), std::vector<std::uint32_t>{1});
  EXPECT_EQ(table.reclaimable(), 3u);  // one after the other
  EXPECT_EQ(table.pinned(), 0u);
  table.remove(1);
  EXPECT_EQ(table.free(), std::vector<std::uint32_t>{2});
  table.remove(2);
  EXPECT_EQ(table.free(), std::vector<std::uint32_t>{3});
}

TEST(SegmentTable, ACheckpointBreaksTheChain) {
  SegmentTable table;
  table.set_scanned();
  add(table, 1).live.add({9000});
  for (std::uint32_t generation = 2; generation <= 8; ++generation) {
    add(table, generation);
    table.note_tombstone(generation, generation - 1);
  }
  add(table, 9, false);
  table.note_tombstone(9, 8);
  EXPECT_EQ(table.pinned(), 7u);
  EXPECT_EQ(table.newest_closed(), 8u);
  table.forget_records(8);
  EXPECT_EQ(table.free(), (std::vector<std::uint32_t>{2, 3, 4, 5, 6, 7, 8}));
  // What the open segment says is not covered.
  EXPECT_TRUE(table.find(9)->tombstones_of.contains(8));
}

}  // namespace brevdue::tests
