#include "backends/iouring/segment_table.h"

#include <algorithm>

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

TEST(LiveSet, KnowsTheLatestSettlementOfWhatLives) {
  LiveSet live;
  live.add({100, 200, 300});
  EXPECT_EQ(live.settlement(200), std::nullopt);
  live.settle(200, {7, 5000});
  live.settle(999, {7, 6000});
  live.settle(200, {8, 4000});
  live.append(400);
  live.settle(400, {8, 7000});
  live.add({50, 150, 250});  // before and between
  EXPECT_EQ(live.offsets(), (std::vector<std::uint32_t>{50, 100, 150, 200, 250, 300, 400}));
  EXPECT_EQ(live.size(), 7u);
  EXPECT_EQ(live.settlement(200), (RecordPlace{8, 4000}));
  EXPECT_EQ(live.settlement(400), (RecordPlace{8, 7000}));
  for (const std::uint32_t offset : {50u, 100u, 150u, 250u, 300u, 999u}) {
    EXPECT_EQ(live.settlement(offset), std::nullopt) << offset;
  }
  live.settle(50, {8, 9000});
  for (const std::uint32_t offset : {100u, 150u, 200u, 250u}) EXPECT_TRUE(live.remove(offset));
  EXPECT_EQ(live.settlement(200), std::nullopt);
  EXPECT_EQ(live.settlement(50), (RecordPlace{8, 9000}));
  EXPECT_EQ(live.settlement(400), (RecordPlace{8, 7000}));
  EXPECT_EQ(live.settlement(300), std::nullopt);
}

TEST(LiveSet, TakesFourBytesAMessageAndTwelveOfASettledOne) {
  constexpr std::uint32_t count = 100'000;
  LiveSet live;
  for (std::uint32_t i = 0; i < count; ++i) live.append(i * 700);
  live.shrink();
  EXPECT_LE(live.memory(), 4u * count);
  for (std::uint32_t i = 0; i < count; ++i) live.settle(i * 700, {3, i * 100});
  EXPECT_LE(live.memory(), 12u * count);
  // As many as are discarded are given back, but for a quarter.
  for (std::uint32_t i = 0; i < count; ++i) {
    if (i % 4 != 0) live.remove(i * 700);
  }
  EXPECT_EQ(live.size(), count / 4);
  EXPECT_LE(live.memory(), 16u * live.size());
  for (std::uint32_t i = 0; i < count; i += 4) {
    ASSERT_EQ(live.settlement(i * 700), (RecordPlace{3, i * 100}));
  }
}

TEST(SegmentTable, ACheckpointReplacesOnlyWhatItCovers) {
  SegmentTable table;
  add(table, 1).add_live({9000, 9500, 9700}, 300);
  add(table, 2);
  add(table, 3, false);
  table.note_settlement({2, 100}, {1, 9000});
  table.note_settlement({2, 200}, {1, 9500});
  table.note_settlement({3, 300}, {1, 9500});
  table.note_checkpointed({3, 400}, {1, 9000}, 2);
  table.note_checkpointed({3, 500}, {1, 9500}, 2);
  EXPECT_EQ(table.latest_settlement({1, 9000}), (RecordPlace{3, 400}));
  EXPECT_EQ(table.latest_settlement({1, 9500}), (RecordPlace{3, 300}));
  EXPECT_EQ(table.latest_settlement({1, 9700}), std::nullopt);
  EXPECT_EQ(table.latest_settlement({4, 9700}), std::nullopt);
  EXPECT_TRUE(table.find(3)->settlements_of.contains(1));
  table.discard({1, 9000}, 100);
  EXPECT_EQ(table.latest_settlement({1, 9000}), std::nullopt);
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
  add(table, 1).add_live({9000}, 100);
  add(table, 2).kept = true;
  add(table, 3, false);
  EXPECT_TRUE(table.free().empty());
  table.discard({1, 9000}, 100);
  EXPECT_EQ(table.free(), std::vector<std::uint32_t>{1});
}

TEST(SegmentTable, ATombstonePinsUntilItsTargetIsGone) {
  SegmentTable table;
  table.set_scanned();
  add(table, 1).add_live({9000}, 100);
  add(table, 2);
  add(table, 3);
  table.note_tombstone(2, 1);
  table.note_settlement({3, 100}, {2, 9000});
  table.note_tombstone(3, 3);  // of itself: goes with it
  EXPECT_TRUE(table.free().empty());
  EXPECT_EQ(table.pinned(), 2u);
  EXPECT_EQ(table.occupied(), 1u);
  table.discard({1, 9000}, 100);
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
  add(table, 1).add_live({9000}, 100);
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

TEST(Relocations, EachNameLeadsToWhereTheMessageIs) {
  Relocations relocations;
  relocations.moved({1, 100}, {5, 700});
  relocations.moved({1, 50}, {5, 900});
  relocations.moved({5, 700}, {9, 20});
  EXPECT_EQ(relocations.now({1, 100}), (RecordPlace{9, 20}));
  EXPECT_EQ(relocations.now({5, 700}), (RecordPlace{9, 20}));
  EXPECT_EQ(relocations.now({1, 50}), (RecordPlace{5, 900}));
  EXPECT_EQ(relocations.now({2, 50}), (RecordPlace{2, 50}));
  relocations.forget({9, 20});
  EXPECT_EQ(relocations.now({1, 100}), (RecordPlace{1, 100}));
  EXPECT_EQ(relocations.now({1, 50}), (RecordPlace{5, 900}));
  relocations.forget({5, 900});
  EXPECT_TRUE(relocations.empty());
}

TEST(SegmentTable, WhatIsMovedKeepsItsNames) {
  SegmentTable table;
  table.set_scanned();
  add(table, 1).add_live({9000}, 100);
  add(table, 2, false).add_live({20'000}, 100);
  table.moved({1, 9000}, {2, 20'000}, 100);
  EXPECT_EQ(table.free(), std::vector<std::uint32_t>{1});
  table.remove(1);
  const LogLocation now = table.now({.place = {1, 9000}, .size = 100});
  EXPECT_EQ(now.place, (RecordPlace{2, 20'000}));
  EXPECT_TRUE(table.is_live(now.place));
  table.discard(now.place, 100);
  EXPECT_EQ(table.now({.place = {1, 9000}, .size = 100}).place.generation, 1u);
}

TEST(SegmentTable, AWatchSeesWhatIsSettled) {
  SegmentTable table;
  add(table, 1);
  add(table, 2);
  add(table, 3, false);
  table.note_settlement({3, 100}, {1, 9000});
  table.watch({1});
  EXPECT_FALSE(table.settled_since_watch({1, 9000}));
  table.note_settlement({3, 100}, {1, 9000});
  table.note_settlement({3, 100}, {2, 9000});
  EXPECT_TRUE(table.settled_since_watch({1, 9000}));
  EXPECT_FALSE(table.settled_since_watch({2, 9000}));
  table.end_watch();
  EXPECT_FALSE(table.settled_since_watch({1, 9000}));
}

TEST(SegmentTable, TheEmptiestAreMovedFirstAndOnlyWhenItIsWorthIt) {
  SegmentTable table;
  const std::uint64_t capacity = SegmentHeader{.size = 1u << 20}.capacity();
  for (std::uint32_t generation = 1; generation <= 4; ++generation) {
    add(table, generation).add_live({9000}, 100);
  }
  add(table, 5).add_live({9000}, capacity - 1000);
  add(table, 6, false).add_live({9000}, 100);
  EXPECT_TRUE(table.sparse(false).empty());  // before the scan
  table.set_scanned();
  EXPECT_TRUE(table.sparse(false).empty());  // four dead segments beside one full one
  for (std::uint32_t generation = 7; generation <= 9; ++generation) {
    add(table, generation).add_live({9000}, 100 * (10 - generation));
  }
  const auto worth_it = table.sparse(false);
  ASSERT_GE(worth_it.size(), 4u);
  EXPECT_EQ(std::ranges::count(worth_it, 5u), 0);
  EXPECT_EQ(std::ranges::count(worth_it, 6u), 0);
  // Where room is tight, what would stay pinned by its records is left alone.
  table.note_tombstone(1, 5);
  const auto tight = table.sparse(true);
  EXPECT_EQ(std::ranges::count(tight, 1u), 0);
  EXPECT_GT(tight.size(), worth_it.size());
}

}  // namespace brevdue::tests
