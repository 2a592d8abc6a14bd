#include "bench/disk/image_file.h"

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace brevdue::disk {

Result<UniqueFd> ImageFile::open_locked(const std::string& path, int flags) {
  UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC, 0600));
  if (!fd) return fail_os(errno, "open image " + path);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      return fail(ErrorCode::busy, "image " + path + " is served by another brevdue-disk");
    }
    return fail_os(errno, "lock image " + path);
  }
  return fd;
}

// In place of a file that is there, not into it: ext4 writes a file that was emptied and filled
// again to the device when it is closed.
Result<UniqueFd> ImageFile::create_locked(const std::string& path) {
  auto old = open_locked(path, O_RDWR);
  if (!old && old.error().code != ErrorCode::not_found) return old;
  if (old && ::unlink(path.c_str()) != 0) return fail_os(errno, "remove the old " + path);
  return open_locked(path, O_RDWR | O_CREAT | O_EXCL);
}

Result<ImageFile> ImageFile::open(const std::string& path) {
  auto fd = open_locked(path, O_RDWR);
  if (!fd) return propagate(std::move(fd.error()));
  struct stat status{};
  if (::fstat(fd->get(), &status) != 0) return fail_os(errno, "stat image " + path);
  const auto size = static_cast<std::uint64_t>(status.st_size) / sector_size * sector_size;
  if (size == 0) return fail(ErrorCode::invalid_argument, "image " + path + " is empty");
  return ImageFile(std::move(*fd), size, path);
}

Result<ImageFile> ImageFile::create(const std::string& path, std::uint64_t size, bool sparse) {
  if (size == 0 || size % sector_size != 0) {
    return fail(ErrorCode::invalid_argument,
                "the size of image " + path + " is no multiple of 512 bytes");
  }
  auto fd = create_locked(path);
  if (!fd) return propagate(std::move(fd.error()));
  if (::ftruncate(fd->get(), static_cast<off_t>(size)) != 0) {
    return fail_os(errno, "size image " + path);
  }
  ImageFile image(std::move(*fd), size, path);
  if (!sparse) {
    const std::vector<std::byte> zeros(1 << 20);
    for (std::uint64_t at = 0; at < size; at += zeros.size()) {
      const auto length = std::min<std::uint64_t>(zeros.size(), size - at);
      auto written = image.write(at, std::span(zeros).first(length));
      if (!written) return propagate(std::move(written.error()));
    }
  }
  return image;
}

Result<void> ImageFile::read(std::uint64_t offset, std::span<std::byte> to) {
  while (!to.empty()) {
    const ssize_t got = ::pread(fd_.get(), to.data(), to.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_os(errno, "read image " + path_);
    if (got == 0) return fail_os(EIO, "image " + path_ + " became shorter");
    to = to.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::uint64_t>(got);
  }
  return {};
}

Result<void> ImageFile::write(std::uint64_t offset, std::span<const std::byte> from) {
  while (!from.empty()) {
    const ssize_t put = ::pwrite(fd_.get(), from.data(), from.size(), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return fail_os(errno, "write image " + path_);
    from = from.subspan(static_cast<std::size_t>(put));
    offset += static_cast<std::uint64_t>(put);
  }
  return {};
}

Result<void> ImageFile::sync() {
  if (::fdatasync(fd_.get()) != 0) return fail_os(errno, "sync image " + path_);
  return {};
}

// Through memory: what a copy between file systems takes.
static Result<void> copy_bytes(int from, int to, ByteRange extent, const std::string& copy) {
  std::vector<std::byte> block(1 << 20);
  for (std::uint64_t at = extent.offset; at < extent.end();) {
    const auto wanted = std::min<std::uint64_t>(block.size(), extent.end() - at);
    const ssize_t got = ::pread(from, block.data(), wanted, static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return fail_os(got < 0 ? errno : EIO, "read for " + copy);
    for (ssize_t put = 0; put < got;) {
      const ssize_t done = ::pwrite(to, block.data() + put, static_cast<std::size_t>(got - put),
                                    static_cast<off_t>(at) + put);
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) return fail_os(errno, "write image " + copy);
      put += done;
    }
    at += static_cast<std::uint64_t>(got);
  }
  return {};
}

Result<void> ImageFile::copy_extent(int to, ByteRange extent, const std::string& copy) const {
  auto from_at = static_cast<off_t>(extent.offset);
  auto to_at = from_at;
  const auto end = static_cast<off_t>(extent.end());
  while (from_at < end) {
    const auto left = static_cast<std::size_t>(end - from_at);
    const ssize_t moved = ::copy_file_range(fd_.get(), &from_at, to, &to_at, left, 0);
    if (moved < 0 && errno == EINTR) continue;
    if (moved < 0 && errno == EXDEV) {
      const auto at = static_cast<std::uint64_t>(from_at);
      return copy_bytes(fd_.get(), to, {at, extent.end() - at}, copy);
    }
    if (moved < 0) return fail_os(errno, "copy image " + path_ + " to " + copy);
    if (moved == 0) return fail_os(EIO, "image " + path_ + " became shorter");
  }
  return {};
}

Result<void> ImageFile::copy_to(const std::string& copy) const {
  auto to = create_locked(copy);
  if (!to) return propagate(std::move(to.error()));
  const auto size = static_cast<off_t>(size_);
  if (::ftruncate(to->get(), size) != 0) return fail_os(errno, "size image " + copy);
  for (off_t at = 0; at < size;) {
    const off_t begin = ::lseek(fd_.get(), at, SEEK_DATA);
    if (begin < 0 && errno == ENXIO) break;
    if (begin < 0) return fail_os(errno, "find what is written in " + path_);
    const off_t hole = ::lseek(fd_.get(), begin, SEEK_HOLE);
    if (hole < 0) return fail_os(errno, "find a hole in " + path_);
    at = std::min(hole, size);
    const ByteRange extent{static_cast<std::uint64_t>(begin),
                           static_cast<std::uint64_t>(at - begin)};
    auto copied = copy_extent(to->get(), extent, copy);
    if (!copied) return copied;
  }
  return {};
}

}  // namespace brevdue::disk
