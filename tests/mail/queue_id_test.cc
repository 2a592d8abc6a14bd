#include "mail/queue_id.h"

#include <algorithm>
#include <limits>
#include <random>
#include <unordered_set>
#include <vector>

#include <gtest/gtest.h>

namespace brevdue::mail {
namespace {

using namespace std::chrono_literals;

constexpr WallTime morning{1'795'507'200'123'456us};

TEST(QueueId, HoldsTimeAndSlot) {
  const QueueId id = QueueId::make(morning, 4095);
  EXPECT_EQ(id.time(), morning);
  EXPECT_EQ(id.slot(), 4095);
  EXPECT_EQ(QueueId::make(morning, 4096).slot(), 0) << "a slot that does not fit never spills";
}

TEST(QueueId, IsTwelveCharactersWithoutVowels) {
  const std::string text = QueueId::make(morning, 7).text();
  EXPECT_EQ(text.size(), 12u);
  EXPECT_EQ(text.find_first_not_of("0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz"),
            std::string::npos);
  EXPECT_EQ(QueueId(0).text(), "000000000000");
  EXPECT_EQ(QueueId(51).text(), "00000000000z");
  EXPECT_EQ(QueueId(52).text(), "000000000010");
}

TEST(QueueId, TextRoundTrip) {
  std::mt19937_64 random(1);
  std::vector<std::uint64_t> values = {0, 1, 51, 52, std::numeric_limits<std::uint64_t>::max()};
  for (int i = 0; i < 1000; ++i) values.push_back(random());
  for (const std::uint64_t value : values) {
    EXPECT_EQ(QueueId::parse(QueueId(value).text()), QueueId(value));
  }
}

TEST(QueueId, WhatIsNoIdIsNotParsed) {
  for (const char* text : {"", "0", "00000000000", "0000000000000", "00000000000A", "00000000000-",
                           "00000000000 ", "zzzzzzzzzzzz"}) {
    EXPECT_EQ(QueueId::parse(text), std::nullopt) << text;
  }
  EXPECT_EQ(QueueId::parse(std::string(12, '\0')), std::nullopt);
}

TEST(QueueId, TextSortsByAge) {
  std::mt19937_64 random(2);
  std::vector<QueueId> ids;
  for (int i = 0; i < 1000; ++i) ids.emplace_back(random());
  std::ranges::sort(ids);
  EXPECT_TRUE(std::ranges::is_sorted(ids, {}, &QueueId::text));
}

TEST(QueueIdSource, NeverRepeatsWhateverTheClockDoes) {
  QueueIdSource source(3, WallTime{});
  std::unordered_set<QueueId> seen;
  QueueId last;
  for (const WallTime now : {morning, morning, morning - 24h, morning + 1us, WallTime{}, morning}) {
    for (int i = 0; i < 3; ++i) {
      const QueueId id = source.next(now);
      EXPECT_TRUE(seen.insert(id).second);
      EXPECT_GT(id, last);
      last = id;
    }
  }
}

TEST(QueueIdSource, StartsAboveItsFloor) {
  QueueIdSource source(3, morning);
  EXPECT_EQ(source.next(morning - 1h).time(), morning + 1us);
  EXPECT_EQ(source.next(morning + 1h).time(), morning + 1h);
}

TEST(QueueIdSource, AFloorOnlyRises) {
  QueueIdSource source(3, morning);
  source.raise_floor(morning - 1h);
  EXPECT_EQ(source.next(morning).time(), morning + 1us);
  source.raise_floor(morning + 1h);
  EXPECT_EQ(source.next(morning).time(), morning + 1h + 1us);
}

TEST(QueueIdSource, SlotsNeverCollide) {
  QueueIdSource one(1, WallTime{});
  QueueIdSource two(2, WallTime{});
  for (int i = 0; i < 100; ++i) EXPECT_NE(one.next(morning), two.next(morning));
}

}  // namespace
}  // namespace brevdue::mail
