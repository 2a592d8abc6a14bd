#include "backends/iouring/zero_pace.h"

#include <gtest/gtest.h>

namespace brevdue::tests {
namespace {

using backends::pause_after_zeros;
using namespace std::chrono_literals;

TEST(ZeroPace, AnEighthOfTheTimeOfASlowDisk) {
  EXPECT_EQ(pause_after_zeros(7ms, false), 49ms);
}

TEST(ZeroPace, NoPauseOnAQuickDiskOrInAHurry) {
  EXPECT_EQ(pause_after_zeros(1ms, false), 0ms);
  EXPECT_EQ(pause_after_zeros(7ms, true), 0ms);
}

TEST(ZeroPace, AStallIsNotMadeLonger) {
  EXPECT_EQ(pause_after_zeros(30s, false), 200ms);
}

}  // namespace
}  // namespace brevdue::tests
