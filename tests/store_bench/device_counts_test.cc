#include "bench/store/device_counts.h"

#include <gtest/gtest.h>

namespace brevdue::bench {

namespace {
TEST(DeviceCountsTest, AreZeroWhereThereIsNoBlockDevice) {
  const DeviceCounts counts = device_counts("/proc/self");
  EXPECT_EQ(counts.writes, 0u);
  EXPECT_EQ(counts.flushes, 0u);
  EXPECT_EQ(counts.bytes, 0u);
}

TEST(DeviceCountsTest, AreZeroWhereThereIsNothing) {
  EXPECT_EQ(device_counts("/proc/self/nothing").bytes, 0u);
}
}  // namespace

}  // namespace brevdue::bench
