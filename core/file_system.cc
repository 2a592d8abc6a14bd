#include "core/file_system.h"

#include <cerrno>
#include <limits>
#include <memory>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace brevdue {

namespace {
template <class Call>
auto retry_interrupted(Call call) {
  auto returned = call();
  while (returned < 0 && errno == EINTR) returned = call();
  return returned;
}

Result<void> checked(int returned, std::string_view call, std::string_view path = {}) {
  if (returned >= 0) return {};
  const int os_error = errno;
  return fail_os(os_error, path.empty() ? std::string(call) : fmt::format("{} {}", call, path));
}
}  // namespace

Result<UniqueFd> RealFileSystem::open(int directory, const std::string& path, int flags,
                                      mode_t mode) {
  const int fd =
      retry_interrupted([&] { return ::openat(directory, path.c_str(), flags | O_CLOEXEC, mode); });
  if (fd < 0) return fail_os(errno, fmt::format("open {}", path));
  return UniqueFd(fd);
}

Result<std::size_t> RealFileSystem::pwrite(int fd, std::string_view bytes, std::uint64_t offset) {
  const ssize_t n = retry_interrupted(
      [&] { return ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset)); });
  if (n < 0) return fail_os(errno, "write");
  return static_cast<std::size_t>(n);
}

Result<std::size_t> RealFileSystem::pread(int fd, char* to, std::size_t size,
                                          std::uint64_t offset) {
  const ssize_t n =
      retry_interrupted([&] { return ::pread(fd, to, size, static_cast<off_t>(offset)); });
  if (n < 0) return fail_os(errno, "read");
  return static_cast<std::size_t>(n);
}

// A sync is not repeated after EINTR either: whether pages were dropped by then is not known.
Result<void> RealFileSystem::sync(int fd) {
  return checked(::fsync(fd), "fsync");
}
Result<void> RealFileSystem::sync_content(int fd) {
  return checked(::fdatasync(fd), "fdatasync");
}
Result<void> RealFileSystem::sync_file_system(int fd) {
  return checked(::syncfs(fd), "syncfs");
}

Result<void> RealFileSystem::rename(int from_directory, const std::string& from, int to_directory,
                                    const std::string& to) {
  return checked(::renameat(from_directory, from.c_str(), to_directory, to.c_str()), "rename",
                 from);
}

Result<void> RealFileSystem::link(int fd, int directory, const std::string& to) {
  // The empty-path form needs a capability before kernel 6.10; the one through /proc does not.
  const std::string from = fmt::format("/proc/self/fd/{}", fd);
  return checked(::linkat(AT_FDCWD, from.c_str(), directory, to.c_str(), AT_SYMLINK_FOLLOW), "link",
                 to);
}

Result<void> RealFileSystem::unlink(int directory, const std::string& path) {
  return checked(::unlinkat(directory, path.c_str(), 0), "unlink", path);
}

Result<void> RealFileSystem::make_directory(int directory, const std::string& path, mode_t mode) {
  return checked(::mkdirat(directory, path.c_str(), mode), "mkdir", path);
}

Result<void> RealFileSystem::truncate(int fd, std::uint64_t size) {
  return checked(retry_interrupted([&] { return ::ftruncate(fd, static_cast<off_t>(size)); }),
                 "ftruncate");
}

Result<void> RealFileSystem::allocate(int fd, std::uint64_t offset, std::uint64_t size) {
  return checked(retry_interrupted([&] {
                   return ::fallocate(fd, 0, static_cast<off_t>(offset), static_cast<off_t>(size));
                 }),
                 "fallocate");
}

Result<void> RealFileSystem::punch_hole(int fd, std::uint64_t offset, std::uint64_t size) {
  return checked(retry_interrupted([&] {
                   return ::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                      static_cast<off_t>(offset), static_cast<off_t>(size));
                 }),
                 "punch hole");
}

Result<void> RealFileSystem::close(UniqueFd fd) {
  return checked(::close(fd.release()), "close");
}

Result<std::vector<std::string>> RealFileSystem::list(int directory, const std::string& path) {
  auto opened = open(directory, path, O_RDONLY | O_DIRECTORY, 0);
  if (!opened) return propagate(std::move(opened.error()));
  std::unique_ptr<DIR, int (*)(DIR*)> entries(::fdopendir(opened->get()), &::closedir);
  if (!entries) return fail_os(errno, fmt::format("read directory {}", path));
  (void)opened->release();  // closedir closes it.
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(entries.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
    errno = 0;
  }
  if (errno != 0) return fail_os(errno, fmt::format("read directory {}", path));
  return names;
}

Result<FileStatus> RealFileSystem::status(int fd) {
  struct stat found;
  if (::fstat(fd, &found) != 0) return fail_os(errno, "fstat");
  return FileStatus{static_cast<std::uint64_t>(found.st_size), found.st_mode, found.st_uid,
                    found.st_dev, found.st_ino};
}

Result<FreeSpace> RealFileSystem::free_space(int fd) {
  struct statvfs found;
  if (::fstatvfs(fd, &found) != 0) return fail_os(errno, "fstatvfs");
  const std::uint64_t inodes =
      found.f_files == 0 ? std::numeric_limits<std::uint64_t>::max() : found.f_favail;
  return FreeSpace{found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize, inodes};
}

// Without /proc nobody can tell ext2 from ext4.
Result<FileSystemKind> RealFileSystem::kind(int fd) {
  constexpr std::size_t mounts_size_max = 4 << 20;
  struct statfs found;
  if (::fstatfs(fd, &found) != 0) return fail_os(errno, "fstatfs");
  const auto type = static_cast<std::uint32_t>(found.f_type);
  if (!may_be_ext4(type)) return kind_of(type);
  const auto own = status(fd);
  const auto mounts = read_file(*this, AT_FDCWD, "/proc/self/mountinfo", mounts_size_max);
  const bool known = own && mounts && is_ext4(*mounts, own->device);
  return known ? FileSystemKind::ext4 : FileSystemKind::other;
}

Result<void> write_all(FileSystem& files, int fd, std::string_view bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    auto written = files.pwrite(fd, bytes, offset);
    if (!written) return propagate(std::move(written.error()));
    if (*written == 0) return fail(ErrorCode::io_failure, "write made no progress");
    bytes.remove_prefix(*written);
    offset += *written;
  }
  return {};
}

Result<std::size_t> read_all(FileSystem& files, int fd, char* to, std::size_t size,
                             std::uint64_t offset) {
  std::size_t done = 0;
  while (done < size) {
    auto n = files.pread(fd, to + done, size - done, offset + done);
    if (!n) return propagate(std::move(n.error()));
    if (*n == 0) break;
    done += *n;
  }
  return done;
}

Result<std::string> read_file(FileSystem& files, int directory, const std::string& path,
                              std::size_t size_max) {
  auto fd = files.open(directory, path, O_RDONLY, 0);
  if (!fd) return propagate(std::move(fd.error()));
  std::string text(size_max + 1, '\0');
  auto size = read_all(files, fd->get(), text.data(), text.size(), 0);
  if (!size) return propagate(std::move(size.error()), path);
  if (*size > size_max) return fail(ErrorCode::too_large, path);
  text.resize(*size);
  return text;
}

Result<void> replace_file(FileSystem& files, int directory, const std::string& path,
                          std::string_view text, mode_t mode) {
  const std::string fresh = path + ".new";
  auto fd = files.open(directory, fresh, O_WRONLY | O_CREAT | O_TRUNC, mode);
  if (!fd) return propagate(std::move(fd.error()));
  if (auto done = write_all(files, fd->get(), text, 0); !done) {
    return propagate(std::move(done.error()), fresh);
  }
  if (auto done = files.sync(fd->get()); !done) return propagate(std::move(done.error()), fresh);
  if (auto done = files.close(std::move(*fd)); !done) return done;
  if (auto done = files.rename(directory, fresh, directory, path); !done) return done;
  return files.sync(directory);
}

}  // namespace brevdue
