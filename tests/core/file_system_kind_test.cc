#include "core/file_system_kind.h"

#include <gtest/gtest.h>
#include <sys/sysmacros.h>

namespace brevdue {

namespace {
constexpr std::string_view mounts =
    "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard\n"
    "30 22 7:0 / /mnt/old rw,noatime - ext2 /dev/loop0 rw\n"
    "31 22 7:1 / /mnt/ext4 rw shared:7 master:2 - ext3 /dev/loop1 rw\n"
    "32 22 7:11 /a\\040- /mnt/b rw - xfs /dev/loop11 rw";
}  // namespace

TEST(FileSystemKind, IsToldByTheNumberThatTheKernelReports) {
  EXPECT_EQ(kind_of(0x58465342), FileSystemKind::xfs);
  EXPECT_EQ(kind_of(0x9123683e), FileSystemKind::btrfs);
  EXPECT_EQ(kind_of(0x01021994), FileSystemKind::memory);
  EXPECT_EQ(kind_of(0x65735546), FileSystemKind::fuse);
  EXPECT_EQ(kind_of(0x6969), FileSystemKind::nfs);
  EXPECT_EQ(kind_of(0xfe534d42), FileSystemKind::smb);
  EXPECT_EQ(kind_of(0x01021997), FileSystemKind::other_network);
  EXPECT_EQ(kind_of(0x2fc12fc1), FileSystemKind::other);
}

// ext2, ext3 and ext4 report the same number, and the driver of ext2 does not sync a new name.
TEST(FileSystemKind, Ext4IsToldFromExt2ByItsDriver) {
  EXPECT_TRUE(may_be_ext4(0xef53));
  EXPECT_FALSE(may_be_ext4(0x58465342));
  EXPECT_EQ(kind_of(0xef53), FileSystemKind::other);
  EXPECT_TRUE(is_ext4(mounts, makedev(254, 0)));
  EXPECT_TRUE(is_ext4(mounts, makedev(7, 1)));
  EXPECT_FALSE(is_ext4(mounts, makedev(7, 0)));
}

TEST(FileSystemKind, ADeviceThatIsNotMountedIsNotExt4) {
  EXPECT_FALSE(is_ext4(mounts, makedev(7, 11)));
  EXPECT_FALSE(is_ext4(mounts, makedev(7, 2)));
  EXPECT_FALSE(is_ext4("", makedev(7, 1)));
  EXPECT_FALSE(is_ext4("31 22 7:1", makedev(7, 1)));
  EXPECT_FALSE(is_ext4("ext4\n\n- ext4", makedev(7, 1)));
}

TEST(FileSystemKind, WhatIsServedElsewhereSyncsNothingAsAWhole) {
  for (const auto kind :
       {FileSystemKind::nfs, FileSystemKind::smb, FileSystemKind::other_network}) {
    EXPECT_TRUE(is_remote(kind)) << name_of(kind);
    EXPECT_FALSE(syncs_as_a_whole(kind)) << name_of(kind);
  }
  EXPECT_FALSE(syncs_as_a_whole(FileSystemKind::fuse));
  for (const auto kind :
       {FileSystemKind::ext4, FileSystemKind::xfs, FileSystemKind::btrfs, FileSystemKind::other}) {
    EXPECT_FALSE(is_remote(kind)) << name_of(kind);
    EXPECT_TRUE(syncs_as_a_whole(kind)) << name_of(kind);
  }
}

}  // namespace brevdue
