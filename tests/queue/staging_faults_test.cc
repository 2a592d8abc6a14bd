// Staging with every call failing in turn, and the order of the calls that make content durable.
#include <cerrno>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/queue/staging_rig.h"

namespace brevdue::tests {

namespace {
using testing::ElementsAre;
using testing::IsEmpty;

TEST(StagingOrder, ContentIsSyncedThenLinkedThenItsDirectoryIsSynced) {
  StagingRig rig;
  ASSERT_TRUE(rig.start().has_value());
  ASSERT_TRUE(rig.stage(1, "content!").has_value());
  EXPECT_THAT(rig.files.calls(),
              ElementsAre("open .", "write . 0+4", "write . 4+4", "sync .",
                          "link " + StagingRig::name(1), "sync " + rig.directory.path()));
}

TEST(StagingSpace, WhatIsKeptFreeIsNotWrittenTo) {
  StagingRig rig;
  rig.staging->keep_free(1000);
  ASSERT_TRUE(rig.start().has_value());
  rig.files.pretend_free_space(1000 + 4);
  EXPECT_TRUE(rig.stage(1, "content!").has_value());
  rig.files.pretend_free_space(1000 + 3);
  const auto refused = rig.stage(2, "content!");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::storage_full);
  EXPECT_THAT(rig.names(), ElementsAre(StagingRig::name(1)));
}

TEST(StagingSpace, ThatCannotBeAskedForIsAFailure) {
  StagingRig rig;
  rig.staging->keep_free(1000);
  ASSERT_TRUE(rig.start().has_value());
  rig.files.fail(Call::free_space, 1, EIO);
  EXPECT_EQ(rig.stage(1, "content!").error().code, ErrorCode::io_failure);
  EXPECT_THAT(rig.names(), IsEmpty());
}

TEST(StagingOrder, TheSameWithANameFromTheStart) {
  StagingRig rig;
  ASSERT_TRUE(rig.start().has_value());
  rig.files.fail(Call::open, 1, EOPNOTSUPP);
  ASSERT_TRUE(rig.stage(1, "content!").has_value());
  const std::string name = StagingRig::name(1);
  const std::string part = name + ".part";
  EXPECT_THAT(rig.files.calls(),
              ElementsAre("open .", "open " + part, "write " + part + " 0+4",
                          "write " + part + " 4+4", "sync " + part, "open " + name,
                          "rename " + part + " " + name, "sync " + rig.directory.path()));
}

TEST(StagingFaults, ASyncThatFailedIsNotTriedAgain) {
  StagingRig rig;
  ASSERT_TRUE(rig.start().has_value());
  rig.files.fail(Call::sync, 1, EIO);
  auto file = rig.staging->open(StagingRig::id(1));
  ASSERT_TRUE(rig.append(file, "content").has_value());
  EXPECT_EQ(rig.finish(file, "content").error().code, ErrorCode::io_failure);
  EXPECT_EQ(rig.finish(file, "content").error().code, ErrorCode::io_failure);
  EXPECT_EQ(rig.append(file, "more").error().code, ErrorCode::io_failure);
  EXPECT_EQ(rig.files.count(Call::sync), 1u);
  EXPECT_EQ(rig.files.count(Call::link), 0u);
  file.reset();
  rig.idle();
  EXPECT_THAT(rig.names(), IsEmpty());
  EXPECT_TRUE(rig.stage(2, "another").has_value());  // that file only
}

TEST(StagingFaults, AWriteThatFailedIsNotFollowedByAnother) {
  StagingRig rig;
  ASSERT_TRUE(rig.start().has_value());
  rig.files.fail(Call::write, 2, ENOSPC);
  auto file = rig.staging->open(StagingRig::id(1));
  EXPECT_TRUE(rig.append(file, "one").has_value());
  EXPECT_EQ(rig.append(file, "two").error().code, ErrorCode::storage_full);
  EXPECT_EQ(rig.append(file, "three").error().code, ErrorCode::io_failure);
  EXPECT_EQ(rig.finish(file, "one").error().code, ErrorCode::io_failure);
  EXPECT_EQ(rig.files.count(Call::write), 2u);
}

TEST(StagingFaults, WithoutRoomNoNamedFileIsTried) {
  StagingRig rig;
  ASSERT_TRUE(rig.start().has_value());
  rig.files.fail(Call::open, 1, ENOSPC);
  EXPECT_EQ(rig.stage(1, "content").error().code, ErrorCode::storage_full);
  EXPECT_EQ(rig.files.count(Call::open), 1u);
}

TEST(StagingFaults, TheStartSaysWhatIsWrong) {
  StagingRig rig;
  rig.files.fail(Call::list, 1, EIO);
  EXPECT_EQ(rig.start().error().code, ErrorCode::io_failure);
}

TEST(StagingFaults, AnUnlinkThatFailsIsMadeUpForByTheNextSweep) {
  StagingRig rig;
  ASSERT_TRUE(rig.start().has_value());
  ASSERT_TRUE(rig.stage(1, "content").has_value());
  rig.files.fail(Call::unlink, 1, EIO);
  rig.staging->remove(StagingRig::id(1));
  rig.idle();
  EXPECT_THAT(rig.names(), ElementsAre(StagingRig::name(1)));
  ASSERT_TRUE(rig.restart().has_value());
  rig.staging->sweep({});
  rig.idle();
  EXPECT_THAT(rig.names(), IsEmpty());
}

class EveryStagingCall : public testing::TestWithParam<bool> {};

// Whatever fails: success means that all of it is there, failure that nothing is.
TEST_P(EveryStagingCall, MayFail) {
  const bool named = GetParam();
  const std::string content = "some content of a message";
  unsigned failures = 0;
  for (const Call call : {Call::open, Call::write, Call::sync, Call::link, Call::rename,
                          Call::unlink, Call::truncate, Call::sync_content}) {
    for (std::uint64_t nth = 1;; ++nth) {
      SCOPED_TRACE(std::string(name_of(call)) + " " + std::to_string(nth));
      StagingRig rig;
      ASSERT_TRUE(rig.start().has_value());
      if (named) {
        rig.files.fail(Call::link, 1, EPERM);
        ASSERT_FALSE(rig.stage(9, "x").has_value());
        rig.files.forget_calls();
      }
      rig.files.fail(call, nth, EIO);
      const auto staged = rig.stage(1, content);
      const bool reached = rig.files.count(call) >= nth;
      if (!staged) {
        ++failures;
        EXPECT_TRUE(reached);
        EXPECT_THAT(rig.names(), IsEmpty());
      } else {
        EXPECT_THAT(rig.names(), ElementsAre(StagingRig::name(1)));
        EXPECT_EQ(rig.directory.read(StagingRig::name(1)), content);
      }
      rig.files.heal();
      EXPECT_TRUE(rig.stage(2, content).has_value());
      if (!reached) break;
    }
  }
  // Named: two opens, two writes, two syncs, one rename. Unnamed: an open that fails is made up
  // for.
  EXPECT_EQ(failures, named ? 7u : 5u);
}

INSTANTIATE_TEST_SUITE_P(Kinds, EveryStagingCall, testing::Bool(),
                         [](const auto& kind) { return kind.param ? "Named" : "Unnamed"; });
}  // namespace

}  // namespace brevdue::tests
