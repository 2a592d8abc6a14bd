// The disk under real file systems: what a power cut loses, what it must not, and that faults of
// the device reach the program above.
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <memory>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "bench/disk/replay.h"
#include "tests/disk/mounted_disk.h"

namespace brevdue::disk {
namespace {

constexpr int writes = 200;
constexpr off_t block = 4096;

struct Free {
  void operator()(std::byte* bytes) const { std::free(bytes); }
};
using AlignedBlock = std::unique_ptr<std::byte[], Free>;

AlignedBlock aligned_block(char fill) {
  AlignedBlock bytes(
      static_cast<std::byte*>(std::aligned_alloc(std::size_t{block}, std::size_t{block})));
  std::fill_n(bytes.get(), block, static_cast<std::byte>(fill));
  return bytes;
}

void write_blocks(const std::string& path, int flags, char fill) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_DIRECT | O_CLOEXEC | flags, 0600));
  ASSERT_TRUE(fd) << path;
  const AlignedBlock bytes = aligned_block(fill);
  for (int i = 0; i < writes; ++i) {
    ASSERT_EQ(::pwrite(fd.get(), bytes.get(), block, i * block), block);
  }
}

int blocks_holding(const std::string& path, char fill) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
  EXPECT_TRUE(fd) << path;
  const AlignedBlock expected = aligned_block(fill);
  const AlignedBlock bytes = aligned_block(0);
  int found = 0;
  for (int i = 0; i < writes; ++i) {
    const ssize_t got = ::pread(fd.get(), bytes.get(), block, i * block);
    EXPECT_EQ(got, block);
    if (std::equal(bytes.get(), bytes.get() + block, expected.get())) ++found;
  }
  return found;
}

// A small file with its own name as content; synced by fsync of file and directory, or not.
void make_file(const std::string& mount, const std::string& name, bool synced) {
  const UniqueFd fd(::open((mount + "/" + name).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_TRUE(fd) << name;
  ASSERT_EQ(::write(fd.get(), name.data(), name.size()), static_cast<ssize_t>(name.size()));
  if (!synced) return;
  ASSERT_EQ(::fsync(fd.get()), 0) << name;
  const UniqueFd directory(::open(mount.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_EQ(::fsync(directory.get()), 0) << name;
}

bool holds_file(const std::string& mount, const std::string& name) {
  const UniqueFd fd(::open((mount + "/" + name).c_str(), O_RDONLY | O_CLOEXEC));
  std::string text(name.size() + 1, '\0');
  return fd && ::read(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(name.size()) &&
         text.substr(0, name.size()) == name;
}

class PowerCutRootTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (const auto reason = MountedDisk::why_not(GetParam())) GTEST_SKIP() << *reason;
  }
  // Without commits of the file system's own in the middle of the test.
  std::string quiet() const { return GetParam() == "ext4" ? "--mount-options commit=300 " : ""; }
};

TEST_P(PowerCutRootTest, DirectWritesSurviveWithDsyncAndVanishWithout) {
  MountedDisk disk;
  disk.up(GetParam(), quiet() + "--forgetful");
  for (const char* name : {"synced", "unsynced"}) write_blocks(disk.path_of(name), 0, 'o');
  {
    const UniqueFd root(::open(disk.mount().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    ASSERT_EQ(::syncfs(root.get()), 0);
  }
  write_blocks(disk.path_of("synced"), O_DSYNC, 'n');
  write_blocks(disk.path_of("unsynced"), 0, 'n');
  EXPECT_EQ(blocks_holding(disk.path_of("unsynced"), 'n'), writes);

  disk.cut("drop");
  EXPECT_NE(disk.control("stats").find("state=off"), std::string::npos);
  disk.remount();
  EXPECT_EQ(blocks_holding(disk.path_of("synced"), 'n'), writes);
  EXPECT_EQ(blocks_holding(disk.path_of("unsynced"), 'n'), 0);
  EXPECT_EQ(blocks_holding(disk.path_of("unsynced"), 'o'), writes);
}

TEST_P(PowerCutRootTest, NamesAndContentsSurviveAnyCutOnceSynced) {
  MountedDisk disk;
  disk.up(GetParam(), "--forgetful");
  int made = 0;
  for (const char* how : {"drop", "subset 1", "torn 2 512", "torn 3 4096"}) {
    for (int i = 0; i < 10; ++i) make_file(disk.mount(), "synced-" + std::to_string(made++), true);
    make_file(disk.mount(), "unsynced", false);
    disk.cut(how);
    disk.remount();
    for (int i = 0; i < made; ++i) {
      EXPECT_TRUE(holds_file(disk.mount(), "synced-" + std::to_string(i))) << how << " " << i;
    }
  }
}

TEST_P(PowerCutRootTest, AFailedFlushReachesFsync) {
  MountedDisk disk;
  disk.up(GetParam(), "");
  const UniqueFd fd(::open(disk.path_of("file").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_TRUE(fd);
  ASSERT_EQ(::write(fd.get(), "x", 1), 1);
  ASSERT_EQ(::fsync(fd.get()), 0);
  ASSERT_EQ(disk.control("fail flush all EIO"), "ok");
  ASSERT_EQ(::write(fd.get(), "y", 1), 1);
  EXPECT_EQ(::fsync(fd.get()), -1);
  EXPECT_EQ(errno, EIO);
}

// Every tenth point of a record is mounted; what was marked as acknowledged must be there.
TEST_P(PowerCutRootTest, EveryPointOfARecordHoldsWhatWasAcknowledgedBeforeIt) {
  MountedDisk disk;
  const auto& directory = disk.directory();
  const std::string record = directory.path_of("record");
  disk.up(GetParam(), "--record '" + record + "'");
  for (int i = 0; i < 20; ++i) {
    const std::string name = "file-" + std::to_string(i);
    make_file(disk.mount(), name, true);
    ASSERT_EQ(disk.control("mark " + name), "ok");
  }
  disk.cut("drop");

  auto replay = Replay::open(record, record + ".base", directory.path_of("durable"));
  ASSERT_TRUE(replay.has_value()) << describe(replay.error());
  const std::string image = directory.path_of("image");
  const std::string mount = directory.path_of("replayed");
  ASSERT_EQ(run("mkdir '" + mount + "'").status, 0);
  const std::string option = GetParam() == "xfs" ? "loop,nouuid" : "loop";
  int points = 0;
  for (std::uint64_t upto = 0; !replay->at_end(); upto += 10, ++points) {
    const auto events = replay->advance(upto);
    ASSERT_TRUE(events.has_value()) << describe(events.error());
    const PowerCut cut = points % 3 == 0   ? PowerCut::drop()
                         : points % 3 == 1 ? PowerCut::subset(upto)
                                           : PowerCut::torn(upto, 512);
    ASSERT_TRUE(replay->write_image(cut, image).has_value());
    const auto mounted = run("mount -o " + option + " '" + image + "' '" + mount + "'");
    ASSERT_EQ(mounted.status, 0) << "point " << upto << ", " << cut.text() << mounted.output;
    for (const std::string& name : replay->marks()) {
      EXPECT_TRUE(holds_file(mount, name)) << name << " at point " << upto << ", " << cut.text();
    }
    ASSERT_EQ(run("umount '" + mount + "'").status, 0);
  }
  EXPECT_EQ(replay->marks().size(), 20u);
  EXPECT_GT(points, 10);
}

TEST_P(PowerCutRootTest, AShutDownFileSystemLosesWhatWasNotSynced) {
  MountedDisk disk;
  disk.up(GetParam(), quiet());
  ASSERT_EQ(run("mkdir '" + disk.path_of("directory") + "'").status, 0);
  make_file(disk.mount(), "synced", true);
  make_file(disk.mount(), "unsynced", false);
  const auto refused = run("'" BREVDUE_FS_SHUTDOWN "' '" + disk.path_of("directory") + "'");
  EXPECT_EQ(refused.status, 65);
  EXPECT_NE(refused.output.find("not a mount point"), std::string::npos) << refused.output;
  const auto done = run("'" BREVDUE_FS_SHUTDOWN "' '" + disk.mount() + "'");
  ASSERT_EQ(done.status, 0) << done.output;
  disk.remount();
  EXPECT_TRUE(holds_file(disk.mount(), "synced"));
  EXPECT_FALSE(holds_file(disk.mount(), "unsynced"));
}

// mkfs.btrfs looks at the file behind every mounted loop device, those of dead disks too.
TEST(MountedDiskRootTest, ADiskThatDiedDoesNotKeepOthersFromBeingMade) {
  for (const char* fs : {"ext4", "btrfs"}) {
    if (const auto reason = MountedDisk::why_not(fs)) GTEST_SKIP() << *reason;
  }
  MountedDisk dead;
  dead.up("ext4", "--size 64M --sparse");
  const std::string stats = dead.control("stats");
  const std::size_t pid = stats.find("pid=");
  ASSERT_NE(pid, std::string::npos) << stats;
  ASSERT_EQ(::kill(std::stoi(stats.substr(pid + 4)), SIGKILL), 0);

  MountedDisk disk;
  ASSERT_NO_THROW(disk.up("btrfs", "--size 320M --sparse"));
  make_file(disk.mount(), "file", true);
  EXPECT_TRUE(holds_file(disk.mount(), "file"));
}

INSTANTIATE_TEST_SUITE_P(FileSystems, PowerCutRootTest, testing::Values("ext4", "xfs"),
                         [](const auto& fs) { return fs.param; });

}  // namespace
}  // namespace brevdue::disk
