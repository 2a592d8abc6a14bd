#include "queue/message_index.h"

#include <map>
#include <random>

#include <gtest/gtest.h>

namespace brevdue::queue {
namespace {

using mail::QueueId;

Location location_of(std::uint64_t number) {
  Location location;
  for (std::size_t i = 0; i < location.bytes.size(); ++i) {
    location.bytes[i] = static_cast<std::uint8_t>(number >> i % 8 * 8);
  }
  return location;
}

void expect_equal(const std::optional<IndexEntry>& found, const IndexEntry& wanted) {
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->location, wanted.location);
  EXPECT_EQ(found->staged, wanted.staged);
  EXPECT_EQ(found->leaving, wanted.leaving);
}

TEST(MessageIndex, AgreesWithAMapUnderRandomUse) {
  std::mt19937_64 random(11);
  MessageIndex index;
  std::map<QueueId, IndexEntry> model;
  for (int step = 0; step < 100'000; ++step) {
    const QueueId id((1'700'000'000'000'000 + random() % 20'000) << QueueId::slot_bits);
    const IndexEntry entry{location_of(random()), random() % 2 == 0, random() % 2 == 0};
    const auto known = model.find(id);
    ASSERT_EQ(index.contains(id), known != model.end());
    if (known == model.end()) {
      index.insert(id, entry);
      model[id] = entry;
    } else if (random() % 3 == 0) {
      index.set(id, entry);
      known->second = entry;
    } else {
      expect_equal(index.find(id), known->second);
      index.erase(id);
      model.erase(known);
    }
    ASSERT_EQ(index.size(), model.size());
  }
  std::size_t visited = 0;
  index.for_each([&](QueueId id, const IndexEntry& entry) {
    ++visited;
    expect_equal(entry, model.at(id));
  });
  EXPECT_EQ(visited, model.size());
}

TEST(MessageIndex, IsAsGoodAsNewOnceItWasEmptied) {
  MessageIndex index;
  for (int round = 0; round < 3; ++round) {
    for (std::uint64_t i = 1; i <= 10'000; ++i) {
      index.insert(QueueId(i), {.location = location_of(i)});
    }
    EXPECT_EQ(index.size(), 10'000u);
    for (std::uint64_t i = 1; i <= 10'000; ++i) index.erase(QueueId(i));
    EXPECT_EQ(index.size(), 0u);
    EXPECT_FALSE(index.contains(QueueId(1)));
    index.for_each([](QueueId, const IndexEntry&) { ADD_FAILURE() << "nothing is left"; });
  }
}

}  // namespace
}  // namespace brevdue::queue
