#include "queue/content_cache.h"

#include <gtest/gtest.h>

namespace brevdue::tests {

namespace {
SharedBytes bytes(std::size_t size, char c = 'x') {
  return SharedBytes(std::string(size, c));
}

TEST(ContentCache, KeepsWhatFits) {
  queue::ContentCache cache(100);
  cache.put(mail::QueueId(1), bytes(60, 'a'));
  cache.put(mail::QueueId(2), bytes(40, 'b'));
  EXPECT_EQ(cache.bytes(), 100u);
  EXPECT_EQ(cache.get(mail::QueueId(1)).view(), std::string(60, 'a'));
  EXPECT_EQ(cache.get(mail::QueueId(2)).view(), std::string(40, 'b'));
}

TEST(ContentCache, TakesInNothingBeyondItsBound) {
  queue::ContentCache cache(100);
  cache.put(mail::QueueId(1), bytes(60));
  cache.put(mail::QueueId(2), bytes(41));
  EXPECT_TRUE(cache.get(mail::QueueId(2)).empty());
  EXPECT_FALSE(cache.get(mail::QueueId(1)).empty());  // and throws nothing out
  EXPECT_EQ(cache.bytes(), 60u);
  cache.put(mail::QueueId(3), bytes(40));
  EXPECT_EQ(cache.bytes(), 100u);
}

TEST(ContentCache, IsEmptyForWhatIsNotThere) {
  queue::ContentCache cache(100);
  EXPECT_TRUE(cache.get(mail::QueueId(1)).empty());
  cache.erase(mail::QueueId(1));
  EXPECT_EQ(cache.bytes(), 0u);
}

TEST(ContentCache, ErasedBytesAreFreeAgain) {
  queue::ContentCache cache(100);
  cache.put(mail::QueueId(1), bytes(100));
  cache.erase(mail::QueueId(1));
  cache.erase(mail::QueueId(1));
  EXPECT_EQ(cache.bytes(), 0u);
  EXPECT_TRUE(cache.get(mail::QueueId(1)).empty());
  cache.put(mail::QueueId(2), bytes(100));
  EXPECT_FALSE(cache.get(mail::QueueId(2)).empty());
}

TEST(ContentCache, TheFirstContentOfAnIdStays) {
  queue::ContentCache cache(100);
  cache.put(mail::QueueId(1), bytes(10, 'a'));
  cache.put(mail::QueueId(1), bytes(20, 'b'));
  EXPECT_EQ(cache.get(mail::QueueId(1)).view(), std::string(10, 'a'));
  EXPECT_EQ(cache.bytes(), 10u);
  cache.erase(mail::QueueId(1));
  EXPECT_EQ(cache.bytes(), 0u);
}

TEST(ContentCache, EmptyContentAndACacheOfNothing) {
  queue::ContentCache cache(100);
  cache.put(mail::QueueId(1), SharedBytes());
  EXPECT_EQ(cache.bytes(), 0u);
  queue::ContentCache none(0);
  none.put(mail::QueueId(1), bytes(1));
  EXPECT_TRUE(none.get(mail::QueueId(1)).empty());
}

TEST(ContentCache, WhatWasHandedOutOutlivesIt) {
  SharedBytes kept;
  {
    queue::ContentCache cache(100);
    cache.put(mail::QueueId(1), bytes(10, 'a'));
    kept = cache.get(mail::QueueId(1));
    cache.erase(mail::QueueId(1));
  }
  EXPECT_EQ(kept.view(), std::string(10, 'a'));
}
}  // namespace

}  // namespace brevdue::tests
