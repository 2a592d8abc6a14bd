// What kind of file system a file lies on, as far as it decides how writes are made durable there.
//
// Pure; core::FileSystem::kind asks the kernel and calls this. What cannot be told for certain is
// `other`, of which nothing is assumed but what POSIX says.
#pragma once

#include <cstdint>
#include <string_view>

#include <sys/types.h>

namespace brevdue {

enum class FileSystemKind : std::uint8_t {
  ext4,  // also ext3, which the same driver serves
  xfs,
  btrfs,
  memory,         // tmpfs, ramfs: nothing outlives the machine's power
  fuse,           // a program serves it
  nfs,            // versions 2 to 4
  smb,            // cifs and its successors
  other_network,  // Ceph, AFS, 9p and the like
  other,
};

std::string_view name_of(FileSystemKind kind);

// Of the f_type that statfs(2) reports. ext2, ext3 and ext4 share one number; they are `other`
// here, see is_ext4.
FileSystemKind kind_of(std::uint64_t f_type);

// Whether `f_type` may be ext4, and then whether `mounts` (the text of /proc/self/mountinfo) says
// that the ext4 driver serves `device`: the old driver of ext2 syncs less.
bool may_be_ext4(std::uint64_t f_type);
bool is_ext4(std::string_view mounts, dev_t device);

// Whether another machine has the bytes, so that a sync is what that machine makes of it.
bool is_remote(FileSystemKind kind);

// Whether syncfs(2), where it answers at all, is known to write and flush everything: that of FUSE
// never reaches the program that serves it, and those of most network file systems send no flush.
bool syncs_as_a_whole(FileSystemKind kind);

}  // namespace brevdue
