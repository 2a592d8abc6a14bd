#include "queue/id_floor.h"

#include <cerrno>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mail/queue_id.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/one_directory_spool.h"
#include "tests/support/temporary_directory.h"

namespace brevdue::tests {

namespace {
using namespace std::chrono_literals;
using queue::IdFloor;
using testing::HasSubstr;

class IdFloorTest : public testing::Test {
 protected:
  Result<IdFloor> open(WallTime now) {
    return IdFloor::open(files_, spool_in(real_files_, spool_.path()).value(), now);
  }
  std::string text_of(WallTime mark) {
    return std::to_string(mark.time_since_epoch().count()) + "\n";
  }

  const WallTime noon_ = std::chrono::sys_days(std::chrono::year(2026) / 11 / 24) + 12h;
  RealFileSystem real_files_;
  FaultyFileSystem files_{real_files_};
  TemporaryDirectory spool_;
};

TEST_F(IdFloorTest, OfAFreshSpoolIsNow) {
  const auto floor = open(noon_);
  ASSERT_TRUE(floor.has_value());
  EXPECT_EQ(floor->floor(), noon_);
  EXPECT_EQ(floor->reserved(), noon_ + IdFloor::ahead);
  EXPECT_EQ(spool_.read("id-floor"), text_of(noon_ + IdFloor::ahead));
}

TEST_F(IdFloorTest, GoesOnWithTheClock) {
  ASSERT_TRUE(open(noon_).has_value());
  EXPECT_EQ(open(noon_ + 1h)->floor(), noon_ + 1h);
}

TEST_F(IdFloorTest, AQuickRestartRepeatsNoId) {
  ASSERT_TRUE(open(noon_).has_value());
  const auto again = open(noon_ + 1s);
  EXPECT_EQ(again->floor(), noon_ + IdFloor::ahead);
  EXPECT_EQ(again->reserved(), noon_ + IdFloor::ahead * 2);
}

TEST_F(IdFloorTest, AClockSetBackAYearRepeatsNoId) {
  WallTime highest;
  {
    auto floor = open(noon_);
    ASSERT_TRUE(floor->reserve_to(noon_ + 1h).has_value());
    mail::QueueIdSource source(7, floor->floor());
    highest = source.next(noon_ + 1h - 1us).time();
  }
  const auto floor = open(noon_ - std::chrono::days(365));
  ASSERT_TRUE(floor.has_value());
  EXPECT_EQ(floor->floor(), noon_ + 1h);
  mail::QueueIdSource source(7, floor->floor());
  EXPECT_GT(source.next(noon_ - std::chrono::days(365)).time(), highest);
}

TEST_F(IdFloorTest, ReservingIsDurableBeforeItIsSaid) {
  auto floor = open(noon_);
  files_.forget_calls();
  ASSERT_TRUE(floor->reserve_to(noon_ + 1h).has_value());
  EXPECT_EQ(spool_.read("id-floor"), text_of(noon_ + 1h));
  EXPECT_EQ(files_.count(Call::sync), 2u);  // the file and its directory
  files_.forget_calls();
  ASSERT_TRUE(floor->reserve_to(noon_ + 30min).has_value());
  EXPECT_TRUE(files_.calls().empty());
  EXPECT_EQ(floor->reserved(), noon_ + 1h);
}

TEST_F(IdFloorTest, WhatCannotBeWrittenIsNotReserved) {
  for (const Call call : {Call::open, Call::write, Call::sync, Call::rename}) {
    auto floor = open(noon_);
    const WallTime before = floor->reserved();
    files_.fail(call, 1, EIO);
    EXPECT_EQ(floor->reserve_to(before + 1h).error().code, ErrorCode::io_failure);
    EXPECT_EQ(floor->reserved(), before);
    files_.heal();
  }
  files_.fail(Call::write, 1, ENOSPC);
  EXPECT_EQ(open(noon_ + 1h).error().code, ErrorCode::storage_full);
}

TEST_F(IdFloorTest, AFileThatCannotBeReadIsNoFreshSpool) {
  ASSERT_TRUE(open(noon_).has_value());
  files_.fail(Call::read, 1, EIO);
  EXPECT_EQ(open(noon_).error().code, ErrorCode::io_failure);
}

TEST_F(IdFloorTest, DamageIsRefused) {
  const std::string far = std::to_string(std::int64_t{1} << 60);
  for (const std::string& text :
       {std::string(), std::string("\n"), std::string("floor\n"), std::string("-5\n"),
        std::string("1700000000000000"), std::string("1700000000x00000\n"),
        std::string("1700000000000000\nx"), std::string("17000000\0\0\0\0\0\0\0\0\n", 17),
        std::string("99999999999999999999999\n"), std::string("9223372036854775807\n"),
        far + "\n"}) {
    spool_.write("id-floor", text);
    const auto floor = open(noon_);
    ASSERT_FALSE(floor.has_value()) << text;
    EXPECT_EQ(floor.error().code, ErrorCode::corrupt) << text;
    EXPECT_THAT(floor.error().context, HasSubstr("id-floor"));
    EXPECT_EQ(spool_.read("id-floor"), text);
  }
  spool_.write("id-floor", std::string(1000, '1'));
  EXPECT_EQ(open(noon_).error().code, ErrorCode::too_large);
}
}  // namespace

}  // namespace brevdue::tests
