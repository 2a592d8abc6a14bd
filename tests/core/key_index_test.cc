#include "core/key_index.h"

#include <map>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace brevdue {
namespace {

// Few different hashes, so that many keys want the same slots, the last one's too.
std::uint64_t crowded(std::uint64_t key) {
  return (key % 3) << 56 | (key % 7 * 0x24924924) << 24;
}
std::uint64_t spread(std::uint64_t key) {
  return (key ^ key >> 29) * 0x9e3779b97f4a7c15u;
}

void agrees_with_a_map(std::uint64_t (*hash)(std::uint64_t), std::uint64_t keys, unsigned seed) {
  std::mt19937_64 random(seed);
  KeyIndex index;
  std::vector<std::uint64_t> key_of;  // by index
  std::map<std::uint64_t, std::uint32_t> model;
  const auto hash_of = [&](std::uint32_t i) { return hash(key_of[i]); };
  const auto find = [&](std::uint64_t key) {
    return index.find(hash(key), [&](std::uint32_t i) { return key_of[i] == key; });
  };
  for (int step = 0; step < 50'000; ++step) {
    const std::uint64_t key = random() % keys;
    const auto known = model.find(key);
    ASSERT_EQ(find(key), known == model.end() ? KeyIndex::none : known->second);
    if (known == model.end()) {
      key_of.push_back(key);
      const auto added = static_cast<std::uint32_t>(key_of.size() - 1);
      index.insert(hash(key), added, hash_of);
      model[key] = added;
    } else if (random() % 4 == 0) {
      key_of.push_back(key);
      const auto other = static_cast<std::uint32_t>(key_of.size() - 1);
      index.replace(hash(key), known->second, other);
      known->second = other;
    } else {
      index.erase(hash(key), known->second, hash_of);
      model.erase(known);
    }
  }
  for (std::uint64_t key = 0; key < keys; ++key) {
    const auto known = model.find(key);
    ASSERT_EQ(find(key), known == model.end() ? KeyIndex::none : known->second);
  }
}
}  // namespace

TEST(KeyIndex, AgreesWithAMapWhereKeysAreSpread) {
  agrees_with_a_map(spread, 3000, 1);
}

TEST(KeyIndex, AgreesWithAMapWhereManyKeysWantTheSameSlots) {
  agrees_with_a_map(crowded, 150, 2);
}

TEST(KeyIndex, HasNothingAtFirst) {
  EXPECT_EQ(KeyIndex().find(7, [](std::uint32_t) { return true; }), KeyIndex::none);
}

}  // namespace brevdue
