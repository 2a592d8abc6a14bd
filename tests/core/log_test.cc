#include "core/log.h"

#include <algorithm>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temporary_directory.h"

namespace brevdue {
namespace {

using namespace std::chrono_literals;

class FixedClock final : public Clock {
 public:
  WallTime wall() const override { return WallTime(1'795'507'200s); }
  SteadyTime steady() const override { return {}; }
};

class LogTest : public testing::Test {
 protected:
  LogTest()
      : fd_(::open(directory_.path_of("log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600)),
        log({.host = "mx", .ident = "brevdue", .program = "smtpd", .fd = fd_.get()}, clock_) {}
  std::string text() const { return directory_.read("log"); }

 private:
  FixedClock clock_;
  tests::TemporaryDirectory directory_;
  UniqueFd fd_;

 protected:
  Log log;
};

TEST_F(LogTest, ALineHasTimeHostProgramAndPid) {
  log.info("connect from unknown[192.0.2.1]");
  EXPECT_THAT(text(), testing::MatchesRegex("2026-11-24T[0-9:.+-]+ mx brevdue/smtpd\\[[0-9]+\\]: "
                                            "connect from unknown\\[192\\.0\\.2\\.1\\]\n"));
}

TEST_F(LogTest, LevelsStandBeforeTheText) {
  log.warning("slow");
  log.error("broken");
  EXPECT_THAT(text(), testing::HasSubstr("]: warning: slow\n"));
  EXPECT_THAT(text(), testing::HasSubstr("]: error: broken\n"));
}

TEST_F(LogTest, ALineUnderAnotherProgramsName) {
  log.as("bounce", "sender notified");
  EXPECT_THAT(text(), testing::HasSubstr(" brevdue/bounce["));
}

TEST_F(LogTest, NoTextCanForgeALine) {
  log.info("helo=<x\r\n2026 mx brevdue/qmgr[1]: removed\x7f>");
  EXPECT_THAT(text(), testing::HasSubstr("helo=<x??2026 mx brevdue/qmgr[1]: removed?>\n"));
  EXPECT_EQ(std::ranges::count(text(), '\n'), 1);
}

}  // namespace
}  // namespace brevdue
