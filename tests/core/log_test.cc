#include "core/log.h"

#include <algorithm>
#include <thread>

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

TEST_F(LogTest, TheLinesOfATurnAreWrittenTogether) {
  int due = 0;
  log.collect([&due] { ++due; });
  log.info("first");
  log.info("second");
  EXPECT_EQ(text(), "");
  EXPECT_EQ(due, 1);
  log.flush();
  EXPECT_THAT(text(), testing::MatchesRegex("[^\n]*: first\n[^\n]*: second\n"));
  log.info("third");
  EXPECT_EQ(due, 2);
  log.stop_collecting();
  log.info("fourth");
  EXPECT_THAT(text(), testing::MatchesRegex("(.|\n)*: third\n[^\n]*: fourth\n"));
  EXPECT_EQ(due, 2);
}

TEST_F(LogTest, AWarningIsNotHeldBackNorWhatCameBeforeIt) {
  log.collect([] {});
  log.info("connect");
  log.warning("slow");
  EXPECT_THAT(text(), testing::MatchesRegex("[^\n]*: connect\n[^\n]*: warning: slow\n"));
}

TEST_F(LogTest, OtherThreadsWriteAtOnce) {
  log.collect([] {});
  log.info("collected");
  std::thread([this] { log.info("at once"); }).join();
  EXPECT_THAT(text(), testing::MatchesRegex("[^\n]*: at once\n"));
}

TEST_F(LogTest, WhatIsCollectedDoesNotGrowWithoutBound) {
  log.collect([] {});
  for (int i = 0; i < 100; ++i) log.info(std::string(1000, 'x'));
  EXPECT_GT(text().size(), 60'000u);
}

TEST_F(LogTest, NoTextCanForgeALine) {
  log.info("helo=<x\r\n2026 mx brevdue/qmgr[1]: removed\x7f>");
  EXPECT_THAT(text(), testing::HasSubstr("helo=<x??2026 mx brevdue/qmgr[1]: removed?>\n"));
  EXPECT_EQ(std::ranges::count(text(), '\n'), 1);
}

}  // namespace
}  // namespace brevdue
