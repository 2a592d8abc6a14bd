#include "scheduler/entry_table.h"

#include <map>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "scheduler/position_heap.h"

namespace brevdue::scheduler {
namespace {

using mail::QueueId;

TEST(EntryTable, AgreesWithAMapUnderRandomUse) {
  std::mt19937_64 random(7);
  EntryTable table;
  std::map<QueueId, std::set<std::uint32_t>> model;
  std::size_t count = 0;
  for (int step = 0; step < 200'000; ++step) {
    const QueueId id((1'700'000'000'000'000 + random() % 5000) << QueueId::slot_bits);
    if (random() % 100 < 52) {
      const std::uint32_t index = table.allocate(id);
      ASSERT_TRUE(model[id].insert(index).second);
      ++count;
    } else if (const auto found = model.find(id); found != model.end()) {
      const auto victim =
          std::next(found->second.begin(), static_cast<long>(random() % found->second.size()));
      table.release(*victim);
      found->second.erase(victim);
      if (found->second.empty()) model.erase(found);
      --count;
    }
  }
  EXPECT_EQ(table.size(), count);
  for (const auto& [id, indices] : model) {
    std::set<std::uint32_t> chain;
    for (std::uint32_t i = table.find(id); i != no_index; i = table[i].next_of_message) {
      EXPECT_EQ(table[i].message, id);
      EXPECT_TRUE(chain.insert(i).second);
    }
    EXPECT_EQ(chain, indices);
  }
  EXPECT_EQ(table.find(QueueId(1)), no_index);
}

struct VectorAccess {
  std::vector<int>& keys;
  std::vector<std::uint32_t>& positions;
  int key(std::uint32_t i) const { return keys[i]; }
  std::uint32_t& position(std::uint32_t i) const { return positions[i]; }
};

TEST(PositionHeap, AgreesWithAMultisetUnderRandomUse) {
  std::mt19937_64 random(11);
  std::vector<int> keys(1000);
  std::vector<std::uint32_t> positions(1000);
  const VectorAccess access{keys, positions};
  PositionHeap heap;
  std::set<std::pair<int, std::uint32_t>> model;
  std::vector<bool> in(1000);
  for (int step = 0; step < 100'000; ++step) {
    const auto index = static_cast<std::uint32_t>(random() % 1000);
    const int key = static_cast<int>(random() % 500);
    if (!in[index]) {
      keys[index] = key;
      heap.push(access, index);
      model.emplace(key, index);
      in[index] = true;
    } else if (random() % 2 == 0) {
      heap.remove(access, index);
      model.erase({keys[index], index});
      in[index] = false;
    } else {
      model.erase({keys[index], index});
      keys[index] = key;
      heap.update(access, index);
      model.emplace(key, index);
    }
    ASSERT_EQ(heap.size(), model.size());
    if (!model.empty()) ASSERT_EQ(keys[heap.top()], model.begin()->first);
  }
}

TEST(EntryList, KeepsOrderAndUnlinksAnywhere) {
  EntryTable table;
  EntryList list;
  std::vector<std::uint32_t> indices;
  for (unsigned i = 0; i < 5; ++i) {
    indices.push_back(table.allocate(QueueId(i + 1)));
    list.push_back(table, indices.back());
  }
  for (const unsigned i : {2U, 0U, 4U}) list.unlink(table, indices[i]);
  EXPECT_EQ(list.front(), indices[1]);
  list.unlink(table, indices[1]);
  EXPECT_EQ(list.front(), indices[3]);
  list.unlink(table, indices[3]);
  EXPECT_TRUE(list.empty());
}

}  // namespace
}  // namespace brevdue::scheduler
