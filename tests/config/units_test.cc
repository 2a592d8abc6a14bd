#include "config/units.h"

#include <gtest/gtest.h>

namespace brevdue::config {
namespace {

using namespace std::chrono_literals;

TEST(Units, DurationsHaveAUnit) {
  EXPECT_EQ(parse_duration("250ms"), 250ms);
  EXPECT_EQ(parse_duration("30s"), 30s);
  EXPECT_EQ(parse_duration("5m"), 5min);
  EXPECT_EQ(parse_duration("4h"), 4h);
  EXPECT_EQ(parse_duration("5d"), 120h);
  EXPECT_EQ(parse_duration("0s"), 0s);
  EXPECT_EQ(parse_duration("5 m"), 5min);
}

TEST(Units, WhatIsNoDurationIsRefused) {
  for (const char* text : {"", "s", "5", "-5s", "5.5s", " 5s", "5s ", "5  s", "5S", "5w", "1h30m",
                           "99999999999999999999s", "9999999999999999999d", "+5s", "5 "}) {
    EXPECT_EQ(parse_duration(text), std::nullopt) << text;
  }
}

TEST(Units, SizesMayHaveAUnit) {
  EXPECT_EQ(parse_size("512"), 512u);
  EXPECT_EQ(parse_size("512B"), 512u);
  EXPECT_EQ(parse_size("64MiB"), 64u << 20);
  EXPECT_EQ(parse_size("50 KiB"), 50u << 10);
  EXPECT_EQ(parse_size("10MB"), 10'000'000u);
  EXPECT_EQ(parse_size("10kB"), 10'000u);
  EXPECT_EQ(parse_size("1TiB"), 1ull << 40);
}

TEST(Units, WhatIsNoSizeIsRefused) {
  for (const char* text : {"", "MiB", "-1", "1.5GiB", "1 ", "64mib", "64M", "16777216TiB"}) {
    EXPECT_EQ(parse_size(text), std::nullopt) << text;
  }
}

TEST(Units, PrintingUsesTheLargestUnitWithoutRest) {
  EXPECT_EQ(duration_text(0ms), "0s");
  EXPECT_EQ(duration_text(1500ms), "1500ms");
  EXPECT_EQ(duration_text(4000s), "4000s");
  EXPECT_EQ(duration_text(90min), "90m");
  EXPECT_EQ(duration_text(48h), "2d");
  EXPECT_EQ(size_text(0), "0");
  EXPECT_EQ(size_text(1'000'000), "1000000");
  EXPECT_EQ(size_text(1000u << 10), "1000KiB");
  EXPECT_EQ(size_text(3ull << 30), "3GiB");
}

TEST(Units, WhatIsPrintedParsesBack) {
  for (std::uint64_t value = 1; value < (1ull << 50); value = value * 7 + 1000) {
    EXPECT_EQ(parse_size(size_text(value)), value);
    const std::chrono::milliseconds duration(value);
    EXPECT_EQ(parse_duration(duration_text(duration)), duration);
  }
}

}  // namespace
}  // namespace brevdue::config
