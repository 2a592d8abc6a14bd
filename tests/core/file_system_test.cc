#include "core/file_system.h"

#include <cerrno>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/faulty_file_system.h"
#include "tests/support/temporary_directory.h"

namespace brevdue {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;
using tests::Call;
using tests::Lasting;

class FileSystemTest : public testing::Test {
 protected:
  UniqueFd make(const std::string& name, int flags = O_RDWR | O_CREAT) {
    auto fd = files.open(directory.fd(), name, flags, 0600);
    EXPECT_TRUE(fd.has_value());
    return fd ? std::move(*fd) : UniqueFd();
  }

  RealFileSystem real;
  tests::FaultyFileSystem files{real};
  tests::TemporaryDirectory directory;
};

TEST_F(FileSystemTest, ShortWritesAreContinued) {
  const UniqueFd fd = make("file");
  files.shorten_writes(3);
  ASSERT_TRUE(write_all(files, fd.get(), "0123456789", 0).has_value());
  EXPECT_EQ(directory.read("file"), "0123456789");
  EXPECT_EQ(files.count(Call::write), 4u);
}

TEST_F(FileSystemTest, AWriteThatFailsAfterAShortOneIsAnError) {
  const UniqueFd fd = make("file");
  files.shorten_writes(4);
  files.fail(Call::write, 3, ENOSPC);
  const auto written = write_all(files, fd.get(), "0123456789", 0);
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().code, ErrorCode::storage_full);
  EXPECT_EQ(directory.read("file"), "01234567");
}

TEST_F(FileSystemTest, WritingNothingMakesNoCall) {
  const UniqueFd fd = make("file");
  ASSERT_TRUE(write_all(files, fd.get(), "", 0).has_value());
  EXPECT_EQ(files.count(Call::write), 0u);
}

TEST_F(FileSystemTest, ShortReadsAreContinuedToTheEndOfTheFile) {
  directory.write("file", "0123456789");
  const UniqueFd fd = make("file", O_RDONLY);
  files.shorten_reads(4);
  std::string text(20, '-');
  const auto size = read_all(files, fd.get(), text.data(), text.size(), 2);
  ASSERT_TRUE(size.has_value());
  EXPECT_EQ(text.substr(0, *size), "23456789");
}

TEST_F(FileSystemTest, ReadFileReadsAllOfASmallFile) {
  directory.write("file", "0123456789");
  EXPECT_EQ(read_file(files, directory.fd(), "file", 10).value(), "0123456789");
}

TEST_F(FileSystemTest, ReadFileRefusesALargerOne) {
  directory.write("file", "0123456789");
  const auto text = read_file(files, directory.fd(), "file", 9);
  ASSERT_FALSE(text.has_value());
  EXPECT_EQ(text.error().code, ErrorCode::too_large);
}

TEST_F(FileSystemTest, ReadFileNamesTheFileThatIsMissing) {
  const auto text = read_file(files, directory.fd(), "none", 9);
  ASSERT_FALSE(text.has_value());
  EXPECT_EQ(describe(text.error()), "open none: No such file or directory");
}

TEST_F(FileSystemTest, ReplaceFileSyncsTheTextBeforeTheNameAndTheNameAfter) {
  directory.write("FORMAT", "old");
  ASSERT_TRUE(replace_file(files, directory.fd(), "FORMAT", "new", 0600).has_value());
  EXPECT_EQ(directory.read("FORMAT"), "new");
  EXPECT_THAT(files.calls(),
              ElementsAre("open FORMAT.new", "write FORMAT.new 0+3", "sync FORMAT.new",
                          "close FORMAT.new", "rename FORMAT.new FORMAT", "sync fd"));
}

TEST_F(FileSystemTest, ReplaceFileKeepsTheOldTextWhateverFailsBeforeTheRename) {
  for (const Call call : {Call::open, Call::write, Call::sync, Call::close, Call::rename}) {
    directory.write("FORMAT", "old");
    files.heal();
    files.fail(call, 1, EIO);
    EXPECT_FALSE(replace_file(files, directory.fd(), "FORMAT", "new", 0600).has_value())
        << tests::name_of(call);
    EXPECT_EQ(directory.read("FORMAT"), "old") << tests::name_of(call);
  }
}

TEST_F(FileSystemTest, ReplaceFileReportsADirectoryThatDoesNotSync) {
  files.fail(Call::sync, 2, EIO);
  const auto replaced = replace_file(files, directory.fd(), "FORMAT", "new", 0600);
  ASSERT_FALSE(replaced.has_value());
  EXPECT_EQ(replaced.error().code, ErrorCode::io_failure);
}

TEST_F(FileSystemTest, ReplaceFileOverwritesWhatAnEarlierAttemptLeft) {
  directory.write("FORMAT.new", "left over and longer");
  ASSERT_TRUE(replace_file(files, directory.fd(), "FORMAT", "new", 0600).has_value());
  EXPECT_EQ(directory.read("FORMAT"), "new");
  EXPECT_FALSE(directory.contains("FORMAT.new"));
}

TEST_F(FileSystemTest, AnUnnamedFileGetsAName) {
  auto fd = files.open(directory.fd(), ".", O_WRONLY | O_TMPFILE, 0600);
  if (!fd && fd.error().code == ErrorCode::unsupported) GTEST_SKIP() << "no O_TMPFILE here";
  ASSERT_TRUE(fd.has_value());
  ASSERT_TRUE(write_all(files, fd->get(), "text", 0).has_value());
  ASSERT_TRUE(files.link(fd->get(), directory.fd(), "named").has_value());
  EXPECT_EQ(directory.read("named"), "text");
}

TEST_F(FileSystemTest, LinkDoesNotReplaceAFile) {
  directory.write("taken", "text");
  const UniqueFd fd = make("file");
  const auto linked = files.link(fd.get(), directory.fd(), "taken");
  ASSERT_FALSE(linked.has_value());
  EXPECT_EQ(linked.error().code, ErrorCode::already_exists);
}

TEST_F(FileSystemTest, ListGivesNamesWithoutDots) {
  directory.write("a", "");
  ASSERT_TRUE(files.make_directory(directory.fd(), "b", 0700).has_value());
  EXPECT_THAT(files.list(directory.fd(), ".").value(), UnorderedElementsAre("a", "b"));
  ASSERT_TRUE(files.unlink(directory.fd(), "a").has_value());
  EXPECT_THAT(files.list(directory.fd(), ".").value(), ElementsAre("b"));
}

TEST_F(FileSystemTest, StatusSeesSizeAndMode) {
  const UniqueFd fd = make("file");
  ASSERT_TRUE(files.truncate(fd.get(), 12345).has_value());
  const auto status = files.status(fd.get());
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(status->size, 12345u);
  EXPECT_TRUE(S_ISREG(status->mode));
}

TEST_F(FileSystemTest, FreeSpaceIsNotMoreThanThereIs) {
  const auto space = files.free_space(directory.fd());
  ASSERT_TRUE(space.has_value());
  EXPECT_LE(space->bytes, space->total_bytes);
  files.pretend_free_space(17);
  EXPECT_EQ(files.free_space(directory.fd())->bytes, 17u);
}

TEST_F(FileSystemTest, ErrorsNameTheCallAndThePath) {
  const auto renamed = files.rename(directory.fd(), "none", directory.fd(), "other");
  ASSERT_FALSE(renamed.has_value());
  EXPECT_EQ(describe(renamed.error()), "rename none: No such file or directory");
  EXPECT_FALSE(files.sync(-1).has_value());
}

TEST_F(FileSystemTest, PlantedFaultsComeOnceOrForGood) {
  const UniqueFd fd = make("file");
  files.fail(Call::sync, 2, EIO);
  EXPECT_TRUE(files.sync(fd.get()).has_value());
  EXPECT_FALSE(files.sync(fd.get()).has_value());
  EXPECT_TRUE(files.sync(fd.get()).has_value());
  files.fail(Call::sync, 1, EIO, Lasting::always);
  EXPECT_FALSE(files.sync(fd.get()).has_value());
  EXPECT_FALSE(files.sync(fd.get()).has_value());
  files.heal();
  EXPECT_TRUE(files.sync(fd.get()).has_value());
  EXPECT_EQ(files.syncs(), 6u);
}

}  // namespace
}  // namespace brevdue
