#include "backends/iouring/read_window.h"

#include <algorithm>
#include <string>

#include <gtest/gtest.h>

#include "tests/iouring/simulated_disk.h"

namespace brevdue::tests {

using namespace backends;

namespace {
constexpr std::uint32_t size = 1u << 20;

Segment segment(std::uint32_t end) {
  return {.header = {.number = 1, .size = size, .generation = 7}, .end = end};
}
}  // namespace

// Where the log of the segment ends now, a batch may lie that was cut off: it is not kept for what
// is written there later, also when the segment is closed by then.
TEST(ReadWindow, KeepsNothingFromBehindWhatIsDurable) {
  SimulatedDisk disk(1);
  disk.segments()[1] = std::string(size, 'o');
  const auto device = disk.device();
  ReadWindow window(*device);
  const std::uint32_t end = 16 * log_block;
  for (std::uint32_t offset = 8 * log_block; offset < end; offset += log_block) {
    const auto view = window.view(segment(end), offset + 4000, 512);
    ASSERT_TRUE(view);
    EXPECT_EQ(view->size(), std::min(512u, end - offset - 4000));
  }
  std::fill_n(disk.segments()[1].begin() + end, log_block, 'n');
  const auto view = window.view(segment(size), end - 50, 100);
  ASSERT_TRUE(view);
  EXPECT_EQ(*view, std::string(50, 'o') + std::string(50, 'n'));
  EXPECT_EQ(window.view(segment(end), end, 10)->size(), 0u);
}

TEST(ReadWindow, ABadBlockAheadIsNotInTheWay) {
  SimulatedDisk disk(1);
  disk.segments()[1] = std::string(size, 'o');
  const auto device = disk.device();
  ReadWindow window(*device);
  disk.make_unreadable(1, 20 * log_block);
  for (std::uint32_t block = 8; block < 20; ++block) {
    const auto view = window.view(segment(size), block * log_block, 100);
    ASSERT_TRUE(view) << block;
    EXPECT_EQ(view->size(), 100u);
  }
  EXPECT_FALSE(window.view(segment(size), 20 * log_block, 100));
  EXPECT_TRUE(window.view(segment(size), 21 * log_block, 100));
}

}  // namespace brevdue::tests
