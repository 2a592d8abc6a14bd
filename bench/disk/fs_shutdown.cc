// brevdue-fs-shutdown MOUNT: the file system stops as if the power had gone, without writing its
// log (EXT4_IOC_SHUTDOWN, XFS_IOC_GOINGDOWN, both with NOLOGFLUSH). Loses buffered writes and
// names that were not synced; direct writes are already on the device and stay.
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sysexits.h>

#include "core/unique_fd.h"

namespace {

// ext4 and XFS share the number: _IOR('X', 125, __u32), with 2 as NOLOGFLUSH.
constexpr unsigned long shutdown_request = _IOR('X', 125, std::uint32_t);
constexpr std::uint32_t no_log_flush = 2;
constexpr unsigned long xfs_magic = 0x58465342;

constexpr const char* usage =
    "Usage: brevdue-fs-shutdown MOUNT\n\n"
    "Shuts the ext4 or xfs mounted at MOUNT down without writing its log, as a power cut would.\n"
    "Then umount and mount it: the log is replayed, what was not synced is gone. Direct writes\n"
    "survive even without a sync; for those use brevdue-disk with --forgetful and `cut`.\n"
    "Needs root. Exit: 0 done, 64 usage, 65 not the mount point of an ext4 or xfs, 71 refused.\n";

int complain(const std::string& what, int status) {
  std::fprintf(stderr, "brevdue-fs-shutdown: %s\n", what.c_str());
  return status;
}

// A mistyped path must not shut down the file system that happens to hold it, the root's least.
bool is_mount_point(int fd) {
  struct stat here{};
  struct stat above{};
  return ::fstat(fd, &here) == 0 && ::fstatat(fd, "..", &above, 0) == 0 &&
         here.st_dev != above.st_dev;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && (std::strcmp(argv[1], "--help") == 0 || std::strcmp(argv[1], "-h") == 0)) {
    return std::fputs(usage, stdout) < 0 ? EX_IOERR : EX_OK;
  }
  if (argc != 2 || argv[1][0] == '-') {
    std::fputs(usage, stderr);
    return EX_USAGE;
  }
  const std::string path = argv[1];
  const brevdue::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return complain("open " + path + ": " + std::strerror(errno), EX_NOINPUT);
  struct statfs status{};
  if (::fstatfs(fd.get(), &status) != 0) {
    return complain("look at " + path + ": " + std::strerror(errno), EX_OSERR);
  }
  const auto type = static_cast<unsigned long>(status.f_type);
  if (type != EXT4_SUPER_MAGIC && type != xfs_magic) {
    char number[32];
    std::snprintf(number, sizeof number, "0x%lx", type);
    return complain(path + " is on a file system of type " + number +
                        "; only ext4 and xfs know the shutdown ioctl",
                    EX_DATAERR);
  }
  if (!is_mount_point(fd.get())) {
    return complain(path + " is not a mount point below the root", EX_DATAERR);
  }
  std::uint32_t flag = no_log_flush;
  if (::ioctl(fd.get(), shutdown_request, &flag) != 0) {
    return complain("shut down " + path + ": " + std::strerror(errno), EX_OSERR);
  }
  return EX_OK;
}
