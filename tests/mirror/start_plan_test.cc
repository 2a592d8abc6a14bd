// Every pair of sides that can be found, and what may be done with it.
#include "mirror/start_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/uuid.h"

namespace brevdue::tests {

namespace {
using mirror::FoundSide;
using mirror::plan_start;
using mirror::SideRecord;
using mirror::Standing;
using testing::ElementsAre;
using testing::HasSubstr;

class StartPlanTest : public testing::Test {
 protected:
  StartPlanTest() {
    a_.path = "/disk/a";
    b_.path = "/disk/b";
    a_.record = SideRecord{set_, random_uuid(), "", 5};
    b_.record = SideRecord{set_, random_uuid(), a_.record->self, 5};
    a_.record->partner = b_.record->self;
  }

  // What is true of two sides is true of them in either order.
  void expect_plan(Standing a, Standing b) {
    const auto plan = plan_start({a_, b_});
    ASSERT_TRUE(plan.has_value()) << describe(plan.error());
    EXPECT_THAT(plan->sides, ElementsAre(a, b));
    const auto turned = plan_start({b_, a_});
    ASSERT_TRUE(turned.has_value()) << describe(turned.error());
    EXPECT_THAT(turned->sides, ElementsAre(b, a));
    EXPECT_EQ(plan->epoch, turned->epoch);
  }
  void expect_refused(ErrorCode code, const std::string& why) {
    for (const auto& found : {std::array{a_, b_}, std::array{b_, a_}}) {
      const auto plan = plan_start(found);
      ASSERT_FALSE(plan.has_value());
      EXPECT_EQ(plan.error().code, code) << describe(plan.error());
      EXPECT_THAT(plan.error().context, HasSubstr(why));
    }
  }

  const std::string set_ = random_uuid();
  FoundSide a_;
  FoundSide b_;
};

TEST_F(StartPlanTest, TwoThatSayNothingAgainstEachOtherAreCurrent) {
  expect_plan(Standing::current, Standing::current);
}

TEST_F(StartPlanTest, TheEpochIsTheHighest) {
  b_.record->epoch = 7;
  EXPECT_EQ(plan_start({a_, b_})->epoch, 7u);
  EXPECT_EQ(plan_start({b_, a_})->epoch, 7u);
}

TEST_F(StartPlanTest, TwoEmptyOnesBecomeAMirror) {
  a_.record.reset();
  b_.record.reset();
  expect_plan(Standing::current, Standing::current);
  EXPECT_TRUE(plan_start({a_, b_})->is_new);
}

TEST_F(StartPlanTest, MailOfASpoolThatIsNoMirrorIsNotWrittenOver) {
  a_.record.reset();
  a_.holds_mail = true;
  expect_refused(ErrorCode::invalid_argument, "/disk/a holds mail");
  b_.record.reset();
  expect_refused(ErrorCode::invalid_argument, "/disk/a holds mail");
}

TEST_F(StartPlanTest, AMirrorDoesNotBeginWithOneDisk) {
  a_.record.reset();
  b_.record.reset();
  b_.trouble = "not mounted";
  expect_refused(ErrorCode::unavailable, "/disk/b: not mounted");
}

TEST_F(StartPlanTest, TheOneThatIsCalledStaleIsStale) {
  a_.record->partner_is_stale = true;
  a_.record->epoch = 6;
  expect_plan(Standing::current, Standing::stale);
}

// Also one that was left, replaced, and is put in again.
TEST_F(StartPlanTest, WhatTheSurvivorSaysCountsOfAnyOldSide) {
  a_.record->partner_is_stale = true;
  a_.record->partner = random_uuid();
  expect_plan(Standing::current, Standing::stale);
}

TEST_F(StartPlanTest, TheSurvivorStartsAlone) {
  a_.record->partner_is_stale = true;
  b_.record.reset();
  b_.trouble = "Input/output error";
  expect_plan(Standing::current, Standing::absent);
}

// It may be where a disk is mounted as a rule.
TEST_F(StartPlanTest, AnEmptyDirectoryInPlaceOfTheStaleOneIsLeftAlone) {
  a_.record->partner_is_stale = true;
  b_.record.reset();
  expect_plan(Standing::current, Standing::absent);
}

TEST_F(StartPlanTest, ASideThatWasBeingWrittenIsWrittenAnew) {
  a_.record->partner_is_stale = true;
  b_.record->self_is_incomplete = true;
  expect_plan(Standing::current, Standing::stale);
  // The operator has said which of two that went on alone is kept.
  b_.record->partner_is_stale = true;
  expect_plan(Standing::current, Standing::stale);
}

TEST_F(StartPlanTest, ASideThatWasBeingWrittenHasOnlyAPart) {
  b_.record->self_is_incomplete = true;
  expect_refused(ErrorCode::unavailable, "does not know of it");
  a_.record.reset();
  a_.trouble = "Input/output error";
  expect_refused(ErrorCode::unavailable, "only a part of the mail");
  b_.record->partner_is_stale = true;
  expect_refused(ErrorCode::unavailable, "only a part of the mail");
}

TEST_F(StartPlanTest, MailOfAnotherSpoolInPlaceOfTheStaleOneIsNotWrittenOver) {
  a_.record->partner_is_stale = true;
  b_.record.reset();
  b_.holds_mail = true;
  expect_refused(ErrorCode::invalid_argument, "/disk/b holds mail");
}

// One disk dies, the other goes on, everything is cut, only the dead one comes back.
TEST_F(StartPlanTest, TheOneThatDiedDoesNotStartAsIfItWereWhole) {
  b_.record.reset();
  b_.trouble = "No such file or directory";
  expect_refused(ErrorCode::unavailable, "does not know that it has all mail");
  expect_refused(ErrorCode::unavailable, "attach --force /disk/a");
  b_.trouble.clear();
  expect_refused(ErrorCode::unavailable, "/disk/b holds no spool");
}

TEST_F(StartPlanTest, TwoThatWentOnWithoutEachOtherAreNotMixed) {
  a_.record->partner_is_stale = true;
  b_.record->partner_is_stale = true;
  expect_refused(ErrorCode::unavailable, "each used without the other");
}

TEST_F(StartPlanTest, SidesOfDifferentMirrorsAreNoPair) {
  b_.record->set = random_uuid();
  expect_refused(ErrorCode::invalid_argument, "different mirrors");
}

TEST_F(StartPlanTest, ACopyIsNoPartner) {
  b_.record = a_.record;
  expect_refused(ErrorCode::invalid_argument, "copy");
}

TEST_F(StartPlanTest, ASideThatWasReplacedIsNoPartner) {
  a_.record->partner = random_uuid();
  expect_refused(ErrorCode::invalid_argument, "not each other's partner");
}

}  // namespace

}  // namespace brevdue::tests
