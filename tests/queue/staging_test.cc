#include "queue/staging.h"

#include <cerrno>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/queue/staging_rig.h"

namespace brevdue::tests {

namespace {
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

const std::string content = "Received: from here\r\n\r\nlarge content";

class StagingTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(rig_.start().has_value()); }
  StagingRig rig_;
};

TEST_F(StagingTest, WhatWasStagedIsRead) {
  EXPECT_TRUE(rig_.stage(1, content).has_value());
  EXPECT_EQ(rig_.read(1).value(), content);
  EXPECT_THAT(rig_.names(), ElementsAre(StagingRig::name(1)));
}

TEST_F(StagingTest, OfWhatIsNotThereNothingIsRead) {
  EXPECT_EQ(rig_.read(1).error().code, ErrorCode::not_found);
}

TEST_F(StagingTest, TheDescriptorCannotWrite) {
  ASSERT_TRUE(rig_.stage(1, content).has_value());
  std::optional<Result<UniqueFd>> opened;
  rig_.staging->read(StagingRig::id(1), [&](Result<UniqueFd> fd) { opened = std::move(fd); });
  rig_.loop.wait_until([&] { return opened.has_value(); });
  EXPECT_FALSE(rig_.real_files.pwrite((*opened)->get(), "x", 0).has_value());
}

TEST_F(StagingTest, RemovedWhileItIsReadItStaysReadable) {
  ASSERT_TRUE(rig_.stage(1, content).has_value());
  std::optional<Result<UniqueFd>> opened;
  rig_.staging->read(StagingRig::id(1), [&](Result<UniqueFd> fd) { opened = std::move(fd); });
  rig_.loop.wait_until([&] { return opened.has_value(); });
  rig_.staging->remove(StagingRig::id(1));
  rig_.idle();
  EXPECT_THAT(rig_.names(), IsEmpty());
  std::string text(content.size(), '\0');
  EXPECT_EQ(read_all(rig_.real_files, (*opened)->get(), text.data(), text.size(), 0).value(),
            content.size());
  EXPECT_EQ(text, content);
}

TEST_F(StagingTest, WhileOneIsSyncedOthersAreWrittenAndRead) {
  ASSERT_TRUE(rig_.stage(1, content).has_value());
  auto slow = rig_.staging->open(StagingRig::id(2));
  ASSERT_TRUE(rig_.append(slow, content).has_value());
  rig_.files.forget_calls();
  rig_.files.hold(Call::sync);
  std::optional<Result<void>> finished;
  rig_.staging->finish(slow, StagingRig::facts_of(content),
                       [&](Result<void> result) { finished = std::move(result); });
  while (rig_.files.count(Call::sync) == 0) std::this_thread::yield();
  auto other = rig_.staging->open(StagingRig::id(3));
  EXPECT_TRUE(rig_.append(other, content).has_value());
  EXPECT_EQ(rig_.read(1).value(), content);
  EXPECT_FALSE(finished.has_value());
  rig_.files.let_go();
  rig_.loop.wait_until([&] { return finished.has_value(); });
  EXPECT_TRUE(finished->has_value());
  EXPECT_TRUE(rig_.finish(other, content).has_value());
}

TEST_F(StagingTest, WhatWasAskedForIsDoneBeforeItEnds) {
  auto file = rig_.staging->open(StagingRig::id(1));
  rig_.staging->append(file, SharedBytes(content), [](Result<void>) {});
  rig_.staging->finish(std::move(file), StagingRig::facts_of(content), [](Result<void>) {});
  rig_.staging.reset();
  EXPECT_THAT(rig_.names(), ElementsAre(StagingRig::name(1)));
}

TEST_F(StagingTest, SeveralFilesGrowSideBySide) {
  auto first = rig_.staging->open(StagingRig::id(1));
  auto second = rig_.staging->open(StagingRig::id(2));
  EXPECT_TRUE(rig_.append(first, "one ").has_value());
  EXPECT_TRUE(rig_.append(second, "two ").has_value());
  EXPECT_TRUE(rig_.append(first, "more").has_value());
  EXPECT_TRUE(rig_.finish(first, "one more").has_value());
  EXPECT_TRUE(rig_.finish(second, "two ").has_value());
  EXPECT_EQ(rig_.read(1).value(), "one more");
  EXPECT_EQ(rig_.read(2).value(), "two ");
}

TEST_F(StagingTest, ShortWritesAreContinued) {
  rig_.files.shorten_writes(3);
  EXPECT_TRUE(rig_.stage(1, content).has_value());
  EXPECT_EQ(rig_.read(1).value(), content);
}

TEST_F(StagingTest, NothingIsVisibleBeforeItsEnd) {
  auto file = rig_.staging->open(StagingRig::id(1));
  ASSERT_TRUE(rig_.append(file, content).has_value());
  EXPECT_THAT(rig_.names(), IsEmpty());
  EXPECT_EQ(rig_.read(1).error().code, ErrorCode::not_found);
}

TEST_F(StagingTest, AnAbandonedFileLeavesNothing) {
  auto file = rig_.staging->open(StagingRig::id(1));
  ASSERT_TRUE(rig_.append(file, content).has_value());
  file.reset();
  rig_.idle();
  EXPECT_THAT(rig_.names(), IsEmpty());
}

TEST_F(StagingTest, AnAbandonedFileWithANameLeavesNothing) {
  rig_.files.fail(Call::open, 1, EOPNOTSUPP);
  auto file = rig_.staging->open(StagingRig::id(1));
  ASSERT_TRUE(rig_.append(file, content).has_value());
  EXPECT_THAT(rig_.names(), ElementsAre(StagingRig::name(1) + ".part"));
  file.reset();
  rig_.idle();
  EXPECT_THAT(rig_.names(), IsEmpty());
}

TEST_F(StagingTest, AFileInTheMakingAtTheEndLeavesNothing) {
  rig_.files.fail(Call::open, 1, EOPNOTSUPP);
  auto file = rig_.staging->open(StagingRig::id(1));
  rig_.staging->append(std::move(file), SharedBytes(content), [](const Result<void>&) {});
  rig_.staging.reset();
  EXPECT_THAT(rig_.names(), IsEmpty());
}

TEST_F(StagingTest, WithoutUnnamedFilesItIsMadeUnderAnotherName) {
  rig_.files.fail(Call::open, 1, EOPNOTSUPP);
  EXPECT_TRUE(rig_.stage(1, content).has_value());
  EXPECT_EQ(rig_.read(1).value(), content);
  EXPECT_THAT(rig_.names(), ElementsAre(StagingRig::name(1)));
}

TEST_F(StagingTest, WhereLinkingIsRefusedTheNextOnesHaveANameFromTheStart) {
  rig_.files.fail(Call::link, 1, EPERM, Lasting::always);
  EXPECT_EQ(rig_.stage(1, content).error().code, ErrorCode::permission);
  EXPECT_THAT(rig_.names(), IsEmpty());
  EXPECT_TRUE(rig_.stage(2, content).has_value());
  EXPECT_EQ(rig_.read(2).value(), content);
}

TEST_F(StagingTest, SizeAndChecksumMustBeThoseAnnounced) {
  auto longer = rig_.staging->open(StagingRig::id(1));
  ASSERT_TRUE(rig_.append(longer, content + "x").has_value());
  EXPECT_EQ(rig_.finish(longer, content).error().code, ErrorCode::corrupt);

  auto other = rig_.staging->open(StagingRig::id(2));
  std::string damaged = content;
  damaged[5] = static_cast<char>(damaged[5] ^ 1);
  ASSERT_TRUE(rig_.append(other, damaged).has_value());
  EXPECT_EQ(rig_.finish(other, content).error().code, ErrorCode::corrupt);
  EXPECT_EQ(rig_.finish(other, damaged).error().code, ErrorCode::io_failure);  // given up

  auto nothing = rig_.staging->open(StagingRig::id(3));
  EXPECT_FALSE(rig_.finish(nothing, "").has_value());

  for (auto* file : {&longer, &other, &nothing}) file->reset();
  rig_.idle();
  EXPECT_THAT(rig_.names(), IsEmpty());
  EXPECT_EQ(rig_.files.syncs(), 0u);
}

TEST_F(StagingTest, AnIdThatIsTakenIsRefused) {
  ASSERT_TRUE(rig_.stage(1, content).has_value());
  EXPECT_EQ(rig_.stage(1, "other").error().code, ErrorCode::already_exists);
  EXPECT_EQ(rig_.read(1).value(), content);
}

TEST_F(StagingTest, AnIdThatIsTakenIsRefusedWithoutUnnamedFilesToo) {
  ASSERT_TRUE(rig_.stage(1, content).has_value());
  rig_.files.fail(Call::open, 1, EOPNOTSUPP);
  EXPECT_EQ(rig_.stage(1, "other").error().code, ErrorCode::already_exists);
  EXPECT_EQ(rig_.read(1).value(), content);
  EXPECT_THAT(rig_.names(), ElementsAre(StagingRig::name(1)));
}

TEST_F(StagingTest, TwoFilesInTheMakingOfOneIdDoNotMix) {
  rig_.files.fail(Call::link, 1, EPERM);
  EXPECT_FALSE(rig_.stage(9, "names from here on").has_value());
  auto first = rig_.staging->open(StagingRig::id(1));
  auto second = rig_.staging->open(StagingRig::id(1));
  ASSERT_TRUE(rig_.append(first, content).has_value());
  EXPECT_EQ(rig_.append(second, "other").error().code, ErrorCode::already_exists);
  second.reset();
  rig_.idle();
  EXPECT_TRUE(rig_.finish(first, content).has_value());
  EXPECT_EQ(rig_.read(1).value(), content);
}

TEST_F(StagingTest, SweepRemovesOnlyWhatIsUnknownAndWasThereAtTheStart) {
  ASSERT_TRUE(rig_.stage(1, "known").has_value());
  ASSERT_TRUE(rig_.stage(2, "unknown").has_value());
  rig_.directory.write(StagingRig::name(3) + ".part", "half");
  rig_.directory.write("stray", "");
  ASSERT_TRUE(rig_.restart().has_value());
  ASSERT_TRUE(rig_.stage(4, "since").has_value());
  rig_.staging->sweep({StagingRig::id(1)});
  rig_.idle();
  EXPECT_THAT(rig_.names(), UnorderedElementsAre(StagingRig::name(1), StagingRig::name(4)));
  rig_.staging->sweep({});  // nothing is left of what was found
  rig_.idle();
  EXPECT_THAT(rig_.names(), UnorderedElementsAre(StagingRig::name(1), StagingRig::name(4)));
}

TEST_F(StagingTest, RunCarriesTheResultBackToTheLoop) {
  EXPECT_EQ(rig_.wait([&](auto done) {
                  rig_.staging->run([] { return fail(ErrorCode::busy, "task"); }, std::move(done));
                })
                .error()
                .code,
            ErrorCode::busy);
}
}  // namespace

}  // namespace brevdue::tests
