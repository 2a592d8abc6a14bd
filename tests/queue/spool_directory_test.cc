#include "queue/spool_directory.h"

#include <cerrno>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/support/faulty_file_system.h"
#include "tests/support/temporary_directory.h"

namespace brevdue::tests {

namespace {
using queue::SpoolDirectory;
using queue::SpoolOptions;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class SpoolDirectoryTest : public testing::Test {
 protected:
  SpoolOptions options(const std::string& backend = "iouring", unsigned version = 1) {
    return {.path = path_, .backend = backend, .backend_version = version};
  }
  SpoolOptions reading() {
    SpoolOptions looking = options();
    looking.read_only = true;
    return looking;
  }
  Result<SpoolDirectory> open() { return SpoolDirectory::open(files_, options()); }
  Error refused(const SpoolOptions& asked) {
    auto spool = SpoolDirectory::open(files_, asked);
    EXPECT_FALSE(spool.has_value());
    return spool ? Error{} : spool.error();
  }
  void damage_format(const std::string& text) { parent_.write("spool/FORMAT", text); }

  RealFileSystem real_files_;
  FaultyFileSystem files_{real_files_};
  TemporaryDirectory parent_;
  std::string path_ = parent_.path_of("spool");
};

TEST_F(SpoolDirectoryTest, ASideOfAMirrorIsNotTakenForASpoolOfItsOwn) {
  ASSERT_TRUE(open());
  parent_.write("spool/mirror", "whatever");
  for (SpoolOptions asked : {options(), reading()}) {
    const Error error = refused(asked);
    EXPECT_EQ(error.code, ErrorCode::unsupported);
    EXPECT_THAT(error.context, HasSubstr("one side of a mirror"));
    asked.side_of_mirror = true;
    EXPECT_TRUE(SpoolDirectory::open(files_, asked));
  }
}

TEST_F(SpoolDirectoryTest, IsCreated) {
  const auto spool = open();
  ASSERT_TRUE(spool.has_value());
  EXPECT_TRUE(spool->created());
  EXPECT_EQ(spool->path(), path_);
  EXPECT_EQ(spool->backend_path(), path_ + "/iouring");
  EXPECT_THAT(parent_.read("spool/FORMAT"),
              ContainsRegex("^brevdue-spool 1\nbackend iouring 1\nuuid [0-9a-f-]{36}\n$"));
  for (const char* name : {"spool/staged", "spool/quarantine", "spool/iouring", "spool/lock"}) {
    EXPECT_TRUE(parent_.contains(name)) << name;
  }
  EXPECT_EQ(parent_.read("spool/lock"), fmt::format("{}\n", ::getpid()));
  EXPECT_EQ(real_files_.status(spool->fd())->mode & 07777, 0700u);
}

TEST_F(SpoolDirectoryTest, IsReopenedAsItWas) {
  ASSERT_TRUE(open().has_value());
  const std::string format = parent_.read("spool/FORMAT");
  const auto again = open();
  ASSERT_TRUE(again.has_value());
  EXPECT_FALSE(again->created());
  EXPECT_EQ(parent_.read("spool/FORMAT"), format);
}

TEST_F(SpoolDirectoryTest, TwoSpoolsAreToldApart) {
  ASSERT_TRUE(open().has_value());
  SpoolOptions other = options();
  other.path = parent_.path_of("other");
  ASSERT_TRUE(SpoolDirectory::open(files_, other).has_value());
  EXPECT_NE(parent_.read("spool/FORMAT"), parent_.read("other/FORMAT"));
}

TEST_F(SpoolDirectoryTest, MissingPartsAreMadeAgain) {
  ASSERT_TRUE(open().has_value());
  ASSERT_EQ(::rmdir((path_ + "/staged").c_str()), 0);
  EXPECT_TRUE(open().has_value());
  EXPECT_TRUE(parent_.contains("spool/staged"));
}

TEST_F(SpoolDirectoryTest, OfAnotherBackendIsRefusedAndSaysWhatToDo) {
  ASSERT_TRUE(open().has_value());
  const Error error = refused(options("lmdb"));
  EXPECT_EQ(error.code, ErrorCode::unsupported);
  EXPECT_THAT(error.context, HasSubstr("set queue.backend = \"iouring\""));
  EXPECT_FALSE(parent_.contains("spool/lmdb"));
  EXPECT_EQ(SpoolDirectory::backend_of(files_, path_).value(), "iouring");
}

TEST_F(SpoolDirectoryTest, OfAnotherVersionOfItsBackendIsRefused) {
  ASSERT_TRUE(open().has_value());
  EXPECT_EQ(refused(options("iouring", 2)).code, ErrorCode::unsupported);
  damage_format("brevdue-spool 1\nbackend iouring 2\nuuid x\n");
  EXPECT_THAT(refused(options()).context, HasSubstr("has version 2"));
}

TEST_F(SpoolDirectoryTest, OfANewerFormatIsRefused) {
  ASSERT_TRUE(open().has_value());
  for (const char* first : {"brevdue-spool 2\n", "brevdue-spool 10\n"}) {
    damage_format(std::string(first) + "backend iouring 1\nuuid x\n");
    const Error error = refused(options());
    EXPECT_EQ(error.code, ErrorCode::unsupported) << first;
    EXPECT_THAT(error.context, HasSubstr("made by a newer Brevdue")) << first;
  }
}

TEST_F(SpoolDirectoryTest, WithADamagedFormatIsRefusedAndLeftAlone) {
  ASSERT_TRUE(open().has_value());
  for (const std::string& text :
       {std::string(), std::string("\n"), std::string("not ours\n"),
        std::string("brevdue-spool 1\n"), std::string("brevdue-spool 1\nuuid x\n"),
        std::string("brevdue-spool 1\nbackend \n"), std::string("brevdue-spool 1\nbackend  1\n"),
        std::string("brevdue-spool 1\nbackend iouring\n"),
        std::string("brevdue-spool 1\nbackend iouring one\n"),
        std::string("brevdue-spool 1\nbackend iouring 1x\n"),
        std::string("brevdue-spool 1\nbackend iouring -1\n"),
        std::string("brevdue-spool 1\nbackend iouring 99999999999\n"), std::string(40, '\0')}) {
    damage_format(text);
    EXPECT_EQ(refused(options()).code, ErrorCode::corrupt) << text;
    EXPECT_EQ(SpoolDirectory::backend_of(files_, path_).error().code, ErrorCode::corrupt) << text;
    EXPECT_EQ(parent_.read("spool/FORMAT"), text);
  }
  damage_format(std::string(4096, 'x'));
  EXPECT_EQ(refused(options()).code, ErrorCode::too_large);
}

TEST_F(SpoolDirectoryTest, ThatCannotBeReadIsNoFreshOne) {
  ASSERT_TRUE(open().has_value());
  const std::string format = parent_.read("spool/FORMAT");
  files_.fail(Call::read, 1, EIO);
  EXPECT_EQ(refused(options()).code, ErrorCode::io_failure);
  EXPECT_EQ(parent_.read("spool/FORMAT"), format);
}

TEST_F(SpoolDirectoryTest, BackendOfNoSpoolIsNotFound) {
  EXPECT_EQ(SpoolDirectory::backend_of(files_, path_).error().code, ErrorCode::not_found);
}

TEST_F(SpoolDirectoryTest, IsHeldByOneObjectAtATime) {
  auto spool = std::make_unique<Result<SpoolDirectory>>(open());
  EXPECT_EQ(refused(options()).code, ErrorCode::busy);
  EXPECT_EQ(refused(reading()).code, ErrorCode::busy);
  spool.reset();
  EXPECT_TRUE(open().has_value());
}

TEST_F(SpoolDirectoryTest, HeldByAnotherProcessNamesItsPid) {
  int opened[2];
  int finish[2];
  ASSERT_EQ(::pipe(opened), 0);
  ASSERT_EQ(::pipe(finish), 0);
  const pid_t holder = ::fork();
  ASSERT_GE(holder, 0);
  if (holder == 0) {
    ::close(finish[1]);
    const auto spool = open();
    const char good = spool ? 'y' : 'n';
    char end = 0;
    const bool told = ::write(opened[1], &good, 1) == 1;
    ::_exit(told && ::read(finish[0], &end, 1) == 0 ? 0 : 1);
  }
  char good = 0;
  ASSERT_EQ(::read(opened[0], &good, 1), 1);
  ASSERT_EQ(good, 'y');
  for (const SpoolOptions& asked : {options(), reading()}) {
    const Error error = refused(asked);
    EXPECT_EQ(error.code, ErrorCode::busy);
    EXPECT_THAT(error.context, HasSubstr(fmt::format("is held by process {}; stop it", holder)));
  }
  for (const int fd : {finish[1], finish[0], opened[0], opened[1]}) ::close(fd);
  int status = -1;
  ASSERT_EQ(::waitpid(holder, &status, 0), holder);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(open().has_value());  // the lock goes with the process
  EXPECT_EQ(parent_.read("spool/lock"), fmt::format("{}\n", ::getpid()));
}

TEST_F(SpoolDirectoryTest, ReadOnlyOpensWhatIsThere) {
  ASSERT_TRUE(open().has_value());
  ASSERT_EQ(::rmdir((path_ + "/staged").c_str()), 0);
  const auto spool = SpoolDirectory::open(files_, reading());
  ASSERT_TRUE(spool.has_value());
  EXPECT_FALSE(spool->created());
  EXPECT_FALSE(parent_.contains("spool/staged"));
}

TEST_F(SpoolDirectoryTest, ReadOnlyCreatesNothing) {
  EXPECT_EQ(refused(reading()).code, ErrorCode::not_found);
  EXPECT_FALSE(parent_.contains("spool"));
  ASSERT_EQ(::mkdir(path_.c_str(), 0700), 0);
  const Error error = refused(reading());
  EXPECT_EQ(error.code, ErrorCode::not_found);
  EXPECT_THAT(error.context, HasSubstr("holds no Brevdue spool"));
  const auto inside = real_files_.open(AT_FDCWD, path_, O_RDONLY | O_DIRECTORY, 0);
  EXPECT_THAT(real_files_.list(inside->get(), ".").value(), IsEmpty());
}

TEST_F(SpoolDirectoryTest, EveryCallOfItsCreationMayFail) {
  for (const Call call : {Call::open, Call::write, Call::sync, Call::rename, Call::make_directory,
                          Call::truncate, Call::close}) {
    for (std::uint64_t nth = 1;; ++nth) {
      SCOPED_TRACE(std::string(name_of(call)) + " " + std::to_string(nth));
      path_ = parent_.path_of(fmt::format("{}-{}", name_of(call), nth));
      files_.forget_calls();
      files_.fail(call, nth, EIO);
      const bool opened = open().has_value();
      const bool reached = files_.count(call) >= nth;
      EXPECT_NE(opened, reached);
      files_.heal();
      EXPECT_TRUE(open().has_value());
      if (!reached) break;
    }
  }
}
}  // namespace

}  // namespace brevdue::tests
