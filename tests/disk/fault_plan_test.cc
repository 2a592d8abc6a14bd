#include "bench/disk/fault_plan.h"

#include <bit>

#include <gtest/gtest.h>

#include "bench/disk/units.h"
#include "tests/disk/memory_medium.h"

namespace brevdue::disk {
namespace {

std::string outcomes(FaultPlan& plan, Request request, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text.push_back(plan.next(request) ? 'X' : '.');
  return text;
}

TEST(FaultPlan, FailsTheRequestsItWasToldAndNoOthers) {
  FaultPlan plan;
  EXPECT_EQ(outcomes(plan, Request::write, 3), "...");
  plan.plan(Request::write, {0, 2, EIO});
  EXPECT_EQ(outcomes(plan, Request::flush, 2), "..");
  EXPECT_EQ(outcomes(plan, Request::write, 4), "XX..");
  plan.plan(Request::flush, {2, 1, ENOSPC});
  EXPECT_EQ(outcomes(plan, Request::flush, 5), "..X..");
  plan.plan(Request::write, {1, UINT64_MAX, EIO});
  EXPECT_EQ(outcomes(plan, Request::write, 5), ".XXXX");
  plan.heal();
  EXPECT_EQ(outcomes(plan, Request::write, 2), "..");
}

TEST(FaultPlan, DamageIsOneBitASectorAndTheSameHoweverItIsRead) {
  FaultPlan plan;
  ASSERT_TRUE(plan.damage({1000, 2000}, 42));
  std::vector<std::byte> whole(8 * sector_size);
  plan.spoil(0, whole);
  int flipped = 0;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    const int bits = std::popcount(std::to_integer<unsigned>(whole[at]));
    flipped += bits;
    if (bits != 0) {
      EXPECT_GE(at, 1000u);
      EXPECT_LT(at, 3000u);
    }
  }
  EXPECT_EQ(flipped, 5);  // Sectors 1 to 5 hold a part of the range.
  std::vector<std::byte> parts(8 * sector_size);
  for (std::size_t at = 0; at < parts.size(); at += 100) {
    plan.spoil(at, std::span(parts).subspan(at, std::min<std::size_t>(100, parts.size() - at)));
  }
  EXPECT_EQ(parts, whole);
}

TEST(FaultPlan, DamagedRangesAreBounded) {
  FaultPlan plan;
  for (std::size_t i = 0; i < FaultPlan::most_damaged_ranges; ++i) {
    EXPECT_TRUE(plan.damage({0, 1}, i));
  }
  EXPECT_FALSE(plan.damage({0, 1}, 0));
}

TEST(Units, ReadSizesTimesAndErrors) {
  EXPECT_EQ(parse_size("512").value(), 512u);
  EXPECT_EQ(parse_size("4K").value(), 4096u);
  EXPECT_EQ(parse_size("64MiB").value(), 64u << 20);
  EXPECT_EQ(parse_size("1gb").value(), 1u << 30);
  for (const auto* wrong : {"", "K", "4x", "-1", "1.5M", "99999999999999999999", "99999999999T"}) {
    EXPECT_FALSE(parse_size(wrong).has_value()) << wrong;
  }
  using namespace std::chrono_literals;
  EXPECT_EQ(parse_duration("6.67ms").value(), 6670us);
  EXPECT_EQ(parse_duration("80us").value(), 80us);
  EXPECT_EQ(parse_duration("0").value(), 0ns);
  EXPECT_EQ(parse_duration("1s").value(), 1s);
  for (const auto* wrong : {"", "5", "-1ms", "ms", "1h", "9999999s", "nan", "nanms", "1 ms"}) {
    EXPECT_FALSE(parse_duration(wrong).has_value()) << wrong;
  }
  EXPECT_EQ(parse_error_name("EIO").value(), EIO);
  EXPECT_EQ(parse_error_name("28").value(), ENOSPC);
  EXPECT_EQ(error_name(ENOSPC), "ENOSPC");
  EXPECT_FALSE(parse_error_name("EWHAT").has_value());
  EXPECT_FALSE(parse_error_name("0").has_value());
}

TEST(RequestCost, IsAFixedTimeAndTheBytesOverTheBandwidth) {
  using namespace std::chrono_literals;
  const RequestCost cost{0ns, 5ms, 7ms, 1 << 20};
  EXPECT_EQ(cost.of(Request::write, 1 << 20), 1005ms);
  EXPECT_EQ(cost.of(Request::flush, 0), 7ms);
  EXPECT_EQ(cost.of(Request::read, 0), 0ms);
  EXPECT_EQ(RequestCost{}.of(Request::write, 4096), 0ms);
}

}  // namespace
}  // namespace brevdue::disk
