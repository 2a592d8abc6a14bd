#include "config/nearest_name.h"

#include <gtest/gtest.h>

namespace brevdue::config {
namespace {

TEST(NearestName, CountsSlipsOfTheFinger) {
  EXPECT_EQ(edit_distance("", ""), 0u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("path", "path"), 0u);
  EXPECT_EQ(edit_distance("pth", "path"), 1u);
  EXPECT_EQ(edit_distance("paath", "path"), 1u);
  EXPECT_EQ(edit_distance("pash", "path"), 1u);
  EXPECT_EQ(edit_distance("ptah", "path"), 1u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
}

TEST(NearestName, PicksTheNearest) {
  constexpr std::string_view names[] = {"queue.path", "queue.backend", "log.target"};
  EXPECT_EQ(nearest_name("queue.bakend", names), "queue.backend");
  EXPECT_EQ(nearest_name("queue.pat", names), "queue.path");
  EXPECT_EQ(nearest_name("log.tagret", names), "log.target");
}

TEST(NearestName, GuessesNothingFromFarAway) {
  constexpr std::string_view names[] = {"lmdb", "maildir"};
  EXPECT_EQ(nearest_name("postgres", names), std::nullopt);
  EXPECT_EQ(nearest_name("x", names), std::nullopt);
  EXPECT_EQ(nearest_name("", names), std::nullopt);
  EXPECT_EQ(nearest_name("lmdb", {}), std::nullopt);
}

TEST(NearestName, LongNamesCostLittle) {
  const std::string endless(1'000'000, 'a');
  constexpr std::string_view names[] = {"hostname"};
  EXPECT_EQ(nearest_name(endless, names), std::nullopt);
}

}  // namespace
}  // namespace brevdue::config
