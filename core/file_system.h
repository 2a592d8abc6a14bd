// The seam to the operating system's files, so that tests can make any call fail.
//
// One virtual call a system call, with EINTR handled and every errno turned into an Error whose
// context names the call and the path. Paths are relative to the directory descriptor given
// (AT_FDCWD for absolute ones). Stateless and thread-safe. After a failed sync the caller must not
// call it again in the hope of success: Linux drops the dirty pages and the next one reports none.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <sys/types.h>

#include "core/error.h"
#include "core/file_system_kind.h"
#include "core/unique_fd.h"

namespace brevdue {

struct FileStatus {
  std::uint64_t size;
  mode_t mode;
  uid_t owner;
  dev_t device;
  ino_t inode;
};

struct FreeSpace {
  std::uint64_t bytes;        // Free for this user.
  std::uint64_t total_bytes;  // Size of the file system.
  std::uint64_t inodes;       // Free; UINT64_MAX where the file system has no fixed number.
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  virtual Result<UniqueFd> open(int directory, const std::string& path, int flags, mode_t mode) = 0;
  // May write or read less than asked; see write_all and read_all.
  virtual Result<std::size_t> pwrite(int fd, std::string_view bytes, std::uint64_t offset) = 0;
  virtual Result<std::size_t> pread(int fd, char* to, std::size_t size, std::uint64_t offset) = 0;
  virtual Result<void> sync(int fd) = 0;              // fsync: content and metadata
  virtual Result<void> sync_content(int fd) = 0;      // fdatasync
  virtual Result<void> sync_file_system(int fd) = 0;  // syncfs
  virtual Result<void> rename(int from_directory, const std::string& from, int to_directory,
                              const std::string& to) = 0;
  // Gives an unnamed file (O_TMPFILE) a name.
  virtual Result<void> link(int fd, int directory, const std::string& to) = 0;
  virtual Result<void> unlink(int directory, const std::string& path) = 0;
  virtual Result<void> make_directory(int directory, const std::string& path, mode_t mode) = 0;
  virtual Result<void> truncate(int fd, std::uint64_t size) = 0;
  virtual Result<void> allocate(int fd, std::uint64_t offset, std::uint64_t size) = 0;
  virtual Result<void> punch_hole(int fd, std::uint64_t offset, std::uint64_t size) = 0;
  virtual Result<void> close(UniqueFd fd) = 0;
  // Names only, without "." and "..", in no order.
  virtual Result<std::vector<std::string>> list(int directory, const std::string& path) = 0;
  virtual Result<FileStatus> status(int fd) = 0;
  virtual Result<FreeSpace> free_space(int fd) = 0;
  virtual Result<FileSystemKind> kind(int fd) = 0;
};

class RealFileSystem final : public FileSystem {
 public:
  Result<UniqueFd> open(int directory, const std::string& path, int flags, mode_t mode) override;
  Result<std::size_t> pwrite(int fd, std::string_view bytes, std::uint64_t offset) override;
  Result<std::size_t> pread(int fd, char* to, std::size_t size, std::uint64_t offset) override;
  Result<void> sync(int fd) override;
  Result<void> sync_content(int fd) override;
  Result<void> sync_file_system(int fd) override;
  Result<void> rename(int from_directory, const std::string& from, int to_directory,
                      const std::string& to) override;
  Result<void> link(int fd, int directory, const std::string& to) override;
  Result<void> unlink(int directory, const std::string& path) override;
  Result<void> make_directory(int directory, const std::string& path, mode_t mode) override;
  Result<void> truncate(int fd, std::uint64_t size) override;
  Result<void> allocate(int fd, std::uint64_t offset, std::uint64_t size) override;
  Result<void> punch_hole(int fd, std::uint64_t offset, std::uint64_t size) override;
  Result<void> close(UniqueFd fd) override;
  Result<std::vector<std::string>> list(int directory, const std::string& path) override;
  Result<FileStatus> status(int fd) override;
  Result<FreeSpace> free_space(int fd) override;
  Result<FileSystemKind> kind(int fd) override;
};

// Writes all of `bytes`; a write that makes no progress is an io_failure.
Result<void> write_all(FileSystem& files, int fd, std::string_view bytes, std::uint64_t offset);
// Reads up to `size` bytes, less only at the end of the file; returns how many.
Result<std::size_t> read_all(FileSystem& files, int fd, char* to, std::size_t size,
                             std::uint64_t offset);
// The whole of a small file; one larger than `size_max` is too_large.
Result<std::string> read_file(FileSystem& files, int directory, const std::string& path,
                              std::size_t size_max);
// Replaces a small file so that after a power cut either the old or the new text is there: writes
// PATH.new, syncs it, renames it and syncs the directory.
Result<void> replace_file(FileSystem& files, int directory, const std::string& path,
                          std::string_view text, mode_t mode);

}  // namespace brevdue
