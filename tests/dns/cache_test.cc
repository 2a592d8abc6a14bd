#include "dns/cache.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace brevdue::dns {
namespace {

using namespace std::chrono_literals;

class CacheTest : public testing::Test {
 protected:
  static Answer answer(Answer::Kind kind, std::chrono::seconds ttl) {
    Answer answer;
    answer.kind = kind;
    answer.ttl = ttl;
    return answer;
  }
  Cache cache{{.entries_max = 3, .positive_max = 3600s, .negative_max = 300s}};
  SteadyTime now{1h};
};

TEST_F(CacheTest, KeepsForTheTtl) {
  cache.keep("a", RecordType::mx, answer(Answer::Kind::found, 60s), now);
  EXPECT_NE(cache.find("a", RecordType::mx, now + 59s), nullptr);
  EXPECT_EQ(cache.find("a", RecordType::a, now), nullptr);
  EXPECT_EQ(cache.find("a", RecordType::mx, now + 60s), nullptr);
  EXPECT_EQ(cache.size(), 0U);
}

TEST_F(CacheTest, BoundsTtls) {
  cache.keep("a", RecordType::mx, answer(Answer::Kind::found, 24h), now);
  EXPECT_EQ(cache.find("a", RecordType::mx, now + 3600s), nullptr);
  cache.keep("b", RecordType::mx, answer(Answer::Kind::no_name, 24h), now);
  EXPECT_NE(cache.find("b", RecordType::mx, now + 299s), nullptr);
  EXPECT_EQ(cache.find("b", RecordType::mx, now + 300s), nullptr);
}

TEST_F(CacheTest, KeepsNoFailureAndNothingWithoutTtl) {
  cache.keep("a", RecordType::mx, answer(Answer::Kind::failure, 60s), now);
  cache.keep("b", RecordType::mx, answer(Answer::Kind::found, 0s), now);
  EXPECT_EQ(cache.size(), 0U);
}

TEST_F(CacheTest, DropsTheLeastRecentlyUsed) {
  for (const char* name : {"a", "b", "c"}) {
    cache.keep(name, RecordType::a, answer(Answer::Kind::found, 60s), now);
  }
  EXPECT_NE(cache.find("a", RecordType::a, now), nullptr);
  cache.keep("d", RecordType::a, answer(Answer::Kind::found, 60s), now);
  EXPECT_EQ(cache.size(), 3U);
  EXPECT_EQ(cache.find("b", RecordType::a, now), nullptr);
  EXPECT_NE(cache.find("a", RecordType::a, now), nullptr);
}

TEST_F(CacheTest, AnewAnswerReplacesTheOld) {
  cache.keep("a", RecordType::a, answer(Answer::Kind::found, 60s), now);
  cache.keep("a", RecordType::a, answer(Answer::Kind::no_name, 60s), now + 30s);
  EXPECT_EQ(cache.find("a", RecordType::a, now + 80s)->kind, Answer::Kind::no_name);
  EXPECT_EQ(cache.size(), 1U);
}

}  // namespace
}  // namespace brevdue::dns
