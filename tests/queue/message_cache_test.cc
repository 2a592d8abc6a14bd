#include "queue/message_cache.h"

#include <gtest/gtest.h>

namespace brevdue::queue {
namespace {

using mail::QueueId;
using mail::RecipientStatus;

constexpr std::size_t envelope_size = 1000;

std::shared_ptr<QueuedMessage> message(std::uint64_t id, std::size_t results = 0) {
  auto made = std::make_shared<QueuedMessage>();
  made->id = QueueId(id);
  made->envelope = SharedBytes(std::string(envelope_size, 'e'));
  for (std::uint32_t i = 0; i < results; ++i) {
    made->state.results.push_back({i, RecipientStatus::deferred, "451 later"});
  }
  return made;
}

TEST(MessageCache, KeepsTheMostRecentlyUsedWithinItsBound) {
  MessageCache cache(10 * (envelope_size + 500));
  for (std::uint64_t id = 1; id <= 100; ++id) {
    cache.put(message(id));
    EXPECT_NE(cache.find(QueueId(1)), nullptr) << "it is used all the time";
  }
  EXPECT_LE(cache.bytes(), 10 * (envelope_size + 500));
  EXPECT_GE(cache.size(), 8u);
  EXPECT_NE(cache.find(QueueId(100)), nullptr);
  EXPECT_EQ(cache.find(QueueId(50)), nullptr);
}

TEST(MessageCache, NeverDropsWhatSomebodyHolds) {
  MessageCache cache(0);
  const auto held = message(1);
  cache.put(held);
  for (std::uint64_t id = 2; id <= 100; ++id) cache.put(message(id));
  EXPECT_EQ(cache.find(QueueId(1)), held);
  EXPECT_LE(cache.size(), 2u);
}

TEST(MessageCache, DropsWhatIsNoLongerHeld) {
  MessageCache cache(0);
  std::vector<std::shared_ptr<QueuedMessage>> held;
  for (std::uint64_t id = 1; id <= 100; ++id) {
    held.push_back(message(id));
    cache.put(held.back());
  }
  EXPECT_EQ(cache.size(), 100u);
  held.clear();
  for (std::uint64_t id = 101; id <= 120; ++id) cache.put(message(id));
  EXPECT_LE(cache.size(), 2u);
}

TEST(MessageCache, NeverDropsAStateThatIsNotShort) {
  MessageCache cache(0);
  EXPECT_TRUE(is_short(message(1, 32)->state));
  EXPECT_FALSE(is_short(message(1, 33)->state));
  cache.put(message(1, 33));
  for (std::uint64_t id = 2; id <= 100; ++id) cache.put(message(id));
  EXPECT_NE(cache.find(QueueId(1)), nullptr);
}

TEST(MessageCache, CountsWhatGrowsAndWhatGoes) {
  MessageCache cache(1 << 20);
  const auto growing = message(1);
  cache.put(growing);
  const std::size_t before = cache.bytes();
  growing->state.results.push_back({0, RecipientStatus::deferred, std::string(512, 'x')});
  cache.resized(QueueId(1));
  EXPECT_GE(cache.bytes(), before + 512);
  cache.erase(QueueId(1));
  EXPECT_EQ(cache.bytes(), 0u);
  EXPECT_EQ(cache.size(), 0u);
}

}  // namespace
}  // namespace brevdue::queue
