#include "backends/iouring/file_log_device.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "backends/iouring/aligned_buffer.h"
#include "backends/iouring/log_format.h"

namespace brevdue::backends {

namespace {
constexpr std::string_view prefix = "segment-";
constexpr std::string_view unfinished = ".new";
constexpr std::size_t zeros_at_once = std::size_t{1} << 20;  // what a device takes in one request

std::string name_of(std::uint32_t number) {
  return fmt::format("{}{:08}", prefix, number);
}

std::optional<std::uint32_t> number_of(std::string_view name) {
  if (!name.starts_with(prefix)) return std::nullopt;
  name.remove_prefix(prefix.size());
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc{} || end != name.data() + name.size()) return std::nullopt;
  return number;
}

Result<void> write_once(int fd, std::string_view bytes, std::uint64_t offset, int flags) {
  iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
  ssize_t written = -1;
  do {
    written = ::pwritev2(fd, &piece, 1, static_cast<off_t>(offset), flags);
  } while (written < 0 && errno == EINTR);
  if (written < 0) return fail_os(errno, "pwritev2");
  if (static_cast<std::size_t>(written) != bytes.size()) {
    return fail(ErrorCode::io_failure,
                fmt::format("short write: {} of {} bytes", written, bytes.size()));
  }
  return {};
}
}  // namespace

FileLogDevice::FileLogDevice(FileLogDeviceOptions options) : options_(std::move(options)) {}

int FileLogDevice::durable_flags() {
#ifdef BREVDUE_MUTANT_IOURING_NO_SYNC
  return 0;
#else
  return RWF_DSYNC;
#endif
}

Result<std::vector<SegmentFile>> FileLogDevice::start() {
#ifdef BREVDUE_MUTANT_IOURING_NO_SYNC
  notice("THIS BUILD WRITES WITHOUT SYNC AND LOSES MAIL: it exists to fail the power-cut tests");
#endif
  if (!options_.read_only) {
    auto made = files_.make_directory(AT_FDCWD, options_.directory, 0700);
    if (!made && made.error().code != ErrorCode::already_exists) {
      return propagate(std::move(made.error()));
    }
  }
  auto opened = files_.open(AT_FDCWD, options_.directory, O_RDONLY | O_DIRECTORY, 0);
  if (!opened) return propagate(std::move(opened.error()));
  directory_ = std::move(*opened);
  if (auto known = find_out_about_direct_io(); !known) return propagate(std::move(known.error()));
  auto names = files_.list(directory_.get(), ".");
  if (!names) return propagate(std::move(names.error()), options_.directory);
  std::vector<SegmentFile> found;
  for (const std::string& name : *names) {
    if (name.ends_with(unfinished) && name.starts_with(prefix) && !options_.read_only) {
      if (auto gone = files_.unlink(directory_.get(), name); !gone) {
        return propagate(std::move(gone.error()), options_.directory);
      }
      continue;
    }
    const auto number = number_of(name);
    if (!number || name != name_of(*number)) continue;
    auto fd = open_segment(name, options_.read_only ? O_RDONLY : O_RDWR);
    if (!fd) return propagate(std::move(fd.error()), options_.directory);
    auto status = files_.status(fd->get());
    if (!status) return propagate(std::move(status.error()), name);
    // After a failed write the page cache may hold what the disk never got: read past it.
    if (!direct_) (void)::posix_fadvise(fd->get(), 0, 0, POSIX_FADV_DONTNEED);
    found.push_back({*number, status->size});
    open_[*number] = std::make_shared<const UniqueFd>(std::move(*fd));
  }
  return found;
}

// O_TMPFILE leaves nothing behind. Where it is refused, the first segment that is opened tells.
Result<void> FileLogDevice::find_out_about_direct_io() {
  if (options_.read_only) return {};
  const int fd = ::openat(directory_.get(), ".", O_RDWR | O_TMPFILE | O_DIRECT | O_CLOEXEC, 0600);
  if (fd >= 0) {
    const UniqueFd closes(fd);
    return {};
  }
  if (errno != EINVAL) return {};
  direct_ = false;
  notice(fmt::format("{}: this file system refuses direct I/O; writing through the page cache",
                     options_.directory));
  return {};
}

Result<UniqueFd> FileLogDevice::open_segment(const std::string& name, int flags) {
  if (!direct_) return files_.open(directory_.get(), name, flags, 0600);
  auto opened = files_.open(directory_.get(), name, flags | O_DIRECT, 0600);
  if (opened || opened.error().os_error != EINVAL) return opened;
  direct_ = false;
  notice(fmt::format("{}: this file system refuses direct I/O; going through the page cache",
                     options_.directory));
  return files_.open(directory_.get(), name, flags & ~O_EXCL, 0600);
}

Result<FileLogDevice::SharedFd> FileLogDevice::descriptor_of(std::uint32_t number) {
  const std::lock_guard lock(mutex_);
  const auto at = open_.find(number);
  if (at == open_.end()) return fail(ErrorCode::not_found, name_of(number));
  return at->second;
}

Result<unsigned> FileLogDevice::begin_batches(std::string_view) {
  notice("writing the log with pwritev2, as told");
  return 1;
}

void FileLogDevice::start_write(const BatchWrite& write) {
  ended_.push_back({write.ticket, write_durable(write.number, write.offset, write.bytes)});
}

std::optional<EndedWrite> FileLogDevice::await_write() {
  BREVDUE_ASSERT(!ended_.empty());
  EndedWrite ended = std::move(ended_.front());
  ended_.pop_front();
  return ended;
}

Result<void> FileLogDevice::write_durable(std::uint32_t number, std::uint64_t offset,
                                          std::string_view bytes) {
  auto fd = descriptor_of(number);
  if (!fd) return propagate(std::move(fd.error()));
  auto written = write_once((*fd)->get(), bytes, offset, durable_flags());
  if (!written) return propagate(std::move(written.error()), name_of(number));
  return {};
}

Result<std::size_t> FileLogDevice::read(std::uint32_t number, std::uint64_t offset, char* to,
                                        std::size_t size) {
  auto fd = descriptor_of(number);
  if (!fd) return propagate(std::move(fd.error()));
  std::size_t done = 0;
  while (done < size) {
    auto got = files_.pread((*fd)->get(), to + done, size - done, offset + done);
    if (!got) return propagate(std::move(got.error()), name_of(number));
    done += *got;
    // The end of a file that was cut short: to go on from there is refused where reads are direct.
    if (*got == 0 || *got % log_block != 0) break;
  }
  return done;
}

Result<void> FileLogDevice::create(std::uint32_t number, std::uint64_t size,
                                   const std::function<bool()>& goes_on) {
  const std::string name = name_of(number);
  const std::string fresh = name + std::string(unfinished);
  auto fd = open_segment(fresh, O_RDWR | O_CREAT | O_EXCL);
  if (!fd) return propagate(std::move(fd.error()), options_.directory);
  Result<void> made = fill_with_zeros(fd->get(), size, goes_on);
  if (made) made = files_.sync(fd->get());
  if (made) {
    const std::lock_guard lock(mutex_);
    open_[number] = std::make_shared<const UniqueFd>(std::move(*fd));
    made = files_.rename(directory_.get(), fresh, directory_.get(), name);
    if (made) made = files_.sync(directory_.get());
    if (made) return {};
    open_.erase(number);
  }
  // What is left of it is removed at the next start if it cannot be removed now.
  (void)files_.unlink(directory_.get(), fresh);
  return propagate(std::move(made.error()), name);
}

Result<void> FileLogDevice::fill_with_zeros(int fd, std::uint64_t size,
                                            const std::function<bool()>& goes_on) {
  // Reserved first, so that a full disk shows at once and the blocks lie together.
  auto reserved = files_.allocate(fd, 0, size);
  if (!reserved && reserved.error().code != ErrorCode::unsupported) return reserved;
  AlignedBuffer zeros(std::min<std::size_t>(size, AlignedBuffer::huge_page));
  // Written to, so that it is in a huge page: else a piece is cut into several requests.
  std::memset(zeros.bytes(), 0, zeros.size());
  for (std::uint64_t at = 0; at < size; at += zeros_at_once) {
    if (!goes_on()) return fail(ErrorCode::cancelled, "stopping");
    const std::size_t piece = std::min<std::uint64_t>(zeros_at_once, size - at);
    if (auto done = write_all(files_, fd, zeros.view().substr(0, piece), at); !done) return done;
  }
  return {};
}

Result<void> FileLogDevice::remove(std::uint32_t number) {
  {
    const std::lock_guard lock(mutex_);
    open_.erase(number);
  }
  if (auto gone = files_.unlink(directory_.get(), name_of(number)); !gone) return gone;
  return files_.sync(directory_.get());
}

Result<std::uint64_t> FileLogDevice::free_space() {
  auto space = files_.free_space(directory_.get());
  if (!space) return propagate(std::move(space.error()), options_.directory);
  return space->bytes;
}

Result<std::string> FileLogDevice::set_aside(const std::string& name, std::string_view bytes) {
  auto directory = files_.open(AT_FDCWD, options_.quarantine, O_RDONLY | O_DIRECTORY, 0);
  if (!directory) return propagate(std::move(directory.error()), "quarantine");
  if (auto kept = replace_file(files_, directory->get(), name, bytes, 0600); !kept) {
    return propagate(std::move(kept.error()), options_.quarantine);
  }
  return options_.quarantine + "/" + name;
}

Result<std::string> FileLogDevice::set_aside_segment(std::uint32_t number,
                                                     const std::string& name) {
  auto directory = files_.open(AT_FDCWD, options_.quarantine, O_RDONLY | O_DIRECTORY, 0);
  if (!directory) return propagate(std::move(directory.error()), "quarantine");
  const std::lock_guard lock(mutex_);
  Result<void> moved = files_.rename(directory_.get(), name_of(number), directory->get(), name);
  if (moved) moved = files_.sync(directory->get());
  if (moved) moved = files_.sync(directory_.get());
  if (!moved) return propagate(std::move(moved.error()), options_.quarantine);
  open_.erase(number);
  return options_.quarantine + "/" + name;
}

}  // namespace brevdue::backends
