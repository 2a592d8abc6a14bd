#include "bench/store/bare_write.h"

#include <gtest/gtest.h>

namespace brevdue::bench {

namespace {
TEST(BareBatchesTest, AreOfAllWritersIfThatFits) {
  const BareBatches batches(64, 4096, 1);
  EXPECT_EQ(batches.messages, 64u);
  EXPECT_GE(batches.bytes, 64u * 4096);
  EXPECT_EQ(batches.bytes % 4096, 0u);
}

TEST(BareBatchesTest, AreNotLargerThanACommitterMakesThem) {
  const BareBatches batches(256, 4096, 1);
  EXPECT_LT(batches.messages, 256u);
  EXPECT_GT(batches.messages, 200u);
  EXPECT_LE(batches.bytes, 1000u * 1024);
  EXPECT_EQ(BareBatches(2, 1 << 20, 1).messages, 1u);
}

TEST(BareBatchesTest, ShareTheWritersOutAmongThoseInFlight) {
  const BareBatches batches(64, 4096, 4);
  EXPECT_EQ(batches.depth, 4u);
  EXPECT_EQ(batches.messages, 16u);
  EXPECT_EQ(BareBatches(2, 4096, 4).depth, 2u);
}
}  // namespace

}  // namespace brevdue::bench
