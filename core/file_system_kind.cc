#include "core/file_system_kind.h"

#include <string>

#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/sysmacros.h>

namespace brevdue {

namespace {
// Not in every version of linux/magic.h.
constexpr std::uint64_t xfs_magic = 0x58465342;
constexpr std::uint64_t cifs_magic = 0xff534d42;
constexpr std::uint64_t smb2_magic = 0xfe534d42;
constexpr std::uint64_t ceph_magic = 0x00c36400;
constexpr std::uint64_t fuse_magic = 0x65735546;

// Takes the next word off the front of `line`.
std::string_view next_word(std::string_view& line) {
  const std::size_t end = line.find(' ');
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(end == std::string_view::npos ? line.size() : end + 1);
  return word;
}
}  // namespace

std::string_view name_of(FileSystemKind kind) {
  switch (kind) {
    case FileSystemKind::ext4:
      return "ext4";
    case FileSystemKind::xfs:
      return "xfs";
    case FileSystemKind::btrfs:
      return "btrfs";
    case FileSystemKind::memory:
      return "a file system in memory";
    case FileSystemKind::fuse:
      return "FUSE";
    case FileSystemKind::nfs:
      return "NFS";
    case FileSystemKind::smb:
      return "SMB";
    case FileSystemKind::other_network:
      return "a network file system";
    case FileSystemKind::other:
      break;
  }
  return "a file system that Brevdue does not know";
}

FileSystemKind kind_of(std::uint64_t f_type) {
  switch (f_type) {
    case xfs_magic:
      return FileSystemKind::xfs;
    case BTRFS_SUPER_MAGIC:
      return FileSystemKind::btrfs;
    case TMPFS_MAGIC:
    case RAMFS_MAGIC:
      return FileSystemKind::memory;
    case fuse_magic:
      return FileSystemKind::fuse;
    case NFS_SUPER_MAGIC:
      return FileSystemKind::nfs;
    case cifs_magic:
    case smb2_magic:
    case SMB_SUPER_MAGIC:
      return FileSystemKind::smb;
    case ceph_magic:
    case AFS_SUPER_MAGIC:
    case AFS_FS_MAGIC:
    case CODA_SUPER_MAGIC:
    case V9FS_MAGIC:
      return FileSystemKind::other_network;
    default:
      return FileSystemKind::other;
  }
}

bool may_be_ext4(std::uint64_t f_type) {
  return f_type == EXT4_SUPER_MAGIC;
}

// A line: "36 35 98:0 /root /where options tags... - ext4 /dev/x options".
bool is_ext4(std::string_view mounts, dev_t device) {
  const std::string wanted = fmt::format("{}:{}", ::major(device), ::minor(device));
  while (!mounts.empty()) {
    const std::size_t end = mounts.find('\n');
    std::string_view line = mounts.substr(0, end);
    mounts.remove_prefix(end == std::string_view::npos ? mounts.size() : end + 1);
    next_word(line);
    next_word(line);
    if (next_word(line) != wanted) continue;
    while (!line.empty() && next_word(line) != "-") {
    }
    const std::string_view driver = next_word(line);
    return driver == "ext4" || driver == "ext3";
  }
  return false;
}

bool is_remote(FileSystemKind kind) {
  return kind == FileSystemKind::nfs || kind == FileSystemKind::smb ||
         kind == FileSystemKind::other_network;
}

bool syncs_as_a_whole(FileSystemKind kind) {
  return kind != FileSystemKind::fuse && !is_remote(kind);
}

}  // namespace brevdue
