#include "backends/iouring/depth_choice.h"

#include <gtest/gtest.h>

namespace brevdue::tests {

namespace {
using namespace std::chrono_literals;
constexpr unsigned most = 4;

void note(backends::DepthChoice& choice, std::chrono::nanoseconds took, std::size_t in_flight,
          int times = 40) {
  for (int i = 0; i < times; ++i) choice.note(took, in_flight, most);
}
}  // namespace

TEST(DepthChoice, OneUntilSomethingWasMeasured) {
  const backends::DepthChoice choice;
  EXPECT_EQ(choice.depth(), 1u);
}

TEST(DepthChoice, OneOnASlowDiskFromTheFirstWriteOn) {
  backends::DepthChoice choice;
  for (int i = 0; i < 40; ++i) {
    choice.note(13ms, 1, most);
    ASSERT_EQ(choice.depth(), 1u);
  }
}

TEST(DepthChoice, MoreWhileWritesAreQuick) {
  backends::DepthChoice choice;
  note(choice, 300us, 1);
  EXPECT_EQ(choice.depth(), most);
}

TEST(DepthChoice, AQueueOfQuickWritesIsNotSlow) {
  backends::DepthChoice choice;
  note(choice, 300us, 1);
  note(choice, 4 * 900us, 4);
  EXPECT_EQ(choice.depth(), most);
}

TEST(DepthChoice, OneSlowWriteIsNoSlowDisk) {
  backends::DepthChoice choice;
  note(choice, 300us, 1);
  note(choice, 10ms, 1, 1);
  EXPECT_EQ(choice.depth(), most);
}

TEST(DepthChoice, ADiskThatBecomesSlowIsNoticedAndOneThatRecoversToo) {
  backends::DepthChoice choice;
  note(choice, 300us, 1);
  note(choice, 4 * 7ms, 4);
  EXPECT_EQ(choice.depth(), 1u);
  note(choice, 1500us, 1);
  EXPECT_EQ(choice.depth(), 1u) << "between the bounds it stays what it was";
  note(choice, 300us, 1);
  EXPECT_EQ(choice.depth(), most);
  note(choice, 1500us, 1);
  EXPECT_EQ(choice.depth(), most) << "between the bounds it stays what it was";
}

TEST(DepthChoice, NoMoreThanTheDeviceTakes) {
  backends::DepthChoice choice;
  choice.note(300us, 1, 1);
  EXPECT_EQ(choice.depth(), 1u);
}

}  // namespace brevdue::tests
