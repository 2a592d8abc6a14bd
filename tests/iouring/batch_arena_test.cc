#include "backends/iouring/batch_arena.h"

#include <deque>
#include <random>

#include <gtest/gtest.h>

namespace brevdue::tests {

namespace {
constexpr std::uint32_t block = 4096;
constexpr std::uint32_t arena_size = 16 * block;
}  // namespace

TEST(BatchArena, GoesRoundAndWaitsForTheOldest) {
  backends::BatchArena arena(arena_size);
  const char* const front = arena.view().data();
  EXPECT_EQ(arena.take(8 * block).data(), front);
  EXPECT_EQ(arena.take(6 * block).data(), front + 8 * block);
  EXPECT_TRUE(arena.take(3 * block).empty());
  arena.give_back_oldest();
  EXPECT_EQ(arena.take(3 * block).data(), front);
  EXPECT_EQ(arena.take(5 * block).data(), front + 3 * block);
  EXPECT_TRUE(arena.take(block).empty()) << "it is full";
  arena.give_back_oldest();
  EXPECT_EQ(arena.take(block).data(), front + 8 * block);
}

TEST(BatchArena, StartsAtTheFrontWhenNothingIsInUse) {
  backends::BatchArena arena(arena_size);
  arena.take(block);
  arena.take(block);
  arena.give_back_oldest();
  arena.give_back_oldest();
  EXPECT_EQ(arena.take(arena_size).data(), arena.view().data());
}

TEST(BatchArena, WhatIsLargerThanAllOfItGetsItsOwn) {
  backends::BatchArena arena(arena_size);
  const char* const front = arena.view().data();
  const auto large = arena.take(arena_size + block);
  ASSERT_EQ(large.size(), arena_size + block);
  EXPECT_TRUE(large.data() + large.size() <= front || large.data() >= front + arena_size);
  EXPECT_EQ(arena.take(arena_size).data(), front);
  arena.give_back_oldest();
  EXPECT_TRUE(arena.take(block).empty());
}

// Whatever is taken and given back: no two in use share a byte.
TEST(BatchArena, WhatIsInUseNeverOverlaps) {
  std::mt19937_64 random(1);
  backends::BatchArena arena(arena_size);
  std::deque<std::span<char>> in_use;
  std::size_t refused = 0;
  for (int i = 0; i < 20'000; ++i) {
    if (random() % 2 == 0 && !in_use.empty()) {
      arena.give_back_oldest();
      in_use.pop_front();
    }
    const auto size = static_cast<std::uint32_t>((1 + random() % 18) * block);
    const auto taken = arena.take(size);
    if (taken.empty()) {
      ASSERT_FALSE(in_use.empty());
      ++refused;
      continue;
    }
    ASSERT_EQ(taken.size(), size);
    for (const auto& other : in_use) {
      ASSERT_TRUE(taken.data() + taken.size() <= other.data() ||
                  other.data() + other.size() <= taken.data());
    }
    in_use.push_back(taken);
  }
  EXPECT_GT(refused, 1000u);
}

}  // namespace brevdue::tests
