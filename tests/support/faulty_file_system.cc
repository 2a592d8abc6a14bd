#include "tests/support/faulty_file_system.h"

#include <algorithm>

#include <fmt/format.h>

namespace brevdue::tests {

static constexpr std::array<std::string_view, call_kinds> names = {
    "open",   "write", "read",   "sync",   "sync_content", "sync_file_system",
    "rename", "link",  "unlink", "mkdir",  "truncate",     "allocate",
    "punch",  "close", "list",   "status", "free_space"};

static std::size_t index_of(Call call) {
  return static_cast<std::size_t>(call);
}

std::string_view name_of(Call call) {
  return names.at(index_of(call));
}

void FaultyFileSystem::fail(Call call, std::uint64_t nth, int os_error, Lasting lasting) {
  const std::scoped_lock lock(mutex_);
  faults_.at(index_of(call)) = {nth, os_error, lasting};
}

void FaultyFileSystem::shorten_writes(std::size_t bytes_max) {
  const std::scoped_lock lock(mutex_);
  write_max_ = bytes_max;
}

void FaultyFileSystem::shorten_reads(std::size_t bytes_max) {
  const std::scoped_lock lock(mutex_);
  read_max_ = bytes_max;
}

void FaultyFileSystem::pretend_free_space(std::uint64_t bytes) {
  const std::scoped_lock lock(mutex_);
  pretends_space_ = true;
  pretended_space_ = bytes;
}

void FaultyFileSystem::hold(Call call) {
  const std::scoped_lock lock(mutex_);
  held_.at(index_of(call)) = true;
}

void FaultyFileSystem::let_go() {
  {
    const std::scoped_lock lock(mutex_);
    held_ = {};
  }
  let_go_.notify_all();
}

void FaultyFileSystem::pretend_kind(FileSystemKind kind) {
  const std::scoped_lock lock(mutex_);
  pretended_kind_ = kind;
}

void FaultyFileSystem::heal() {
  const std::scoped_lock lock(mutex_);
  faults_ = {};
  write_max_ = 0;
  read_max_ = 0;
  pretends_space_ = false;
  pretended_kind_.reset();
}

std::uint64_t FaultyFileSystem::count(Call call) const {
  const std::scoped_lock lock(mutex_);
  return counts_.at(index_of(call));
}

std::uint64_t FaultyFileSystem::syncs() const {
  return count(Call::sync) + count(Call::sync_content) + count(Call::sync_file_system);
}

std::vector<std::string> FaultyFileSystem::calls() const {
  const std::scoped_lock lock(mutex_);
  return calls_;
}

void FaultyFileSystem::forget_calls() {
  const std::scoped_lock lock(mutex_);
  calls_.clear();
  counts_ = {};
}

Result<void> FaultyFileSystem::enter(Call call, const std::string& detail) {
  std::unique_lock lock(mutex_);
  ++counts_.at(index_of(call));
  calls_.push_back(fmt::format("{} {}", name_of(call), detail));
  let_go_.wait(lock, [&] { return !held_.at(index_of(call)); });
  Fault& fault = faults_.at(index_of(call));
  if (fault.calls_left == 0) return {};
  if (--fault.calls_left > 0) return {};
  if (fault.lasting == Lasting::always) fault.calls_left = 1;
  return fail_os(fault.os_error, fmt::format("{} {} (planted)", name_of(call), detail));
}

std::string FaultyFileSystem::name_of_fd(int fd) const {
  const std::scoped_lock lock(mutex_);
  const auto at = names_.find(fd);
  return at == names_.end() ? "fd" : at->second;
}

Result<UniqueFd> FaultyFileSystem::open(int directory, const std::string& path, int flags,
                                        mode_t mode) {
  if (auto entered = enter(Call::open, path); !entered) return propagate(entered.error());
  auto fd = below_.open(directory, path, flags, mode);
  if (fd) {
    const std::scoped_lock lock(mutex_);
    names_[fd->get()] = path;
  }
  return fd;
}

Result<std::size_t> FaultyFileSystem::pwrite(int fd, std::string_view bytes, std::uint64_t offset) {
  const auto detail = fmt::format("{} {}+{}", name_of_fd(fd), offset, bytes.size());
  if (auto entered = enter(Call::write, detail); !entered) return propagate(entered.error());
  std::size_t size_max = bytes.size();
  {
    const std::scoped_lock lock(mutex_);
    if (write_max_ > 0) size_max = std::min(size_max, write_max_);
  }
  return below_.pwrite(fd, bytes.substr(0, size_max), offset);
}

Result<std::size_t> FaultyFileSystem::pread(int fd, char* to, std::size_t size,
                                            std::uint64_t offset) {
  const auto detail = fmt::format("{} {}+{}", name_of_fd(fd), offset, size);
  if (auto entered = enter(Call::read, detail); !entered) return propagate(entered.error());
  {
    const std::scoped_lock lock(mutex_);
    if (read_max_ > 0) size = std::min(size, read_max_);
  }
  return below_.pread(fd, to, size, offset);
}

Result<void> FaultyFileSystem::on_fd(Call call, int fd,
                                     Result<void> (FileSystem::*operation)(int)) {
  if (auto entered = enter(call, name_of_fd(fd)); !entered) return entered;
  return (below_.*operation)(fd);
}

Result<void> FaultyFileSystem::sync(int fd) {
  return on_fd(Call::sync, fd, &FileSystem::sync);
}
Result<void> FaultyFileSystem::sync_content(int fd) {
  return on_fd(Call::sync_content, fd, &FileSystem::sync_content);
}
Result<void> FaultyFileSystem::sync_file_system(int fd) {
  return on_fd(Call::sync_file_system, fd, &FileSystem::sync_file_system);
}

Result<void> FaultyFileSystem::rename(int from_directory, const std::string& from, int to_directory,
                                      const std::string& to) {
  if (auto entered = enter(Call::rename, fmt::format("{} {}", from, to)); !entered) return entered;
  auto renamed = below_.rename(from_directory, from, to_directory, to);
  if (renamed) {
    const std::scoped_lock lock(mutex_);
    for (auto& [fd, name] : names_) {
      if (name == from) name = to;
    }
  }
  return renamed;
}

Result<void> FaultyFileSystem::link(int fd, int directory, const std::string& to) {
  if (auto entered = enter(Call::link, to); !entered) return entered;
  auto linked = below_.link(fd, directory, to);
  if (linked) {
    const std::scoped_lock lock(mutex_);
    names_[fd] = to;
  }
  return linked;
}

Result<void> FaultyFileSystem::unlink(int directory, const std::string& path) {
  if (auto entered = enter(Call::unlink, path); !entered) return entered;
  return below_.unlink(directory, path);
}

Result<void> FaultyFileSystem::make_directory(int directory, const std::string& path, mode_t mode) {
  if (auto entered = enter(Call::make_directory, path); !entered) return entered;
  return below_.make_directory(directory, path, mode);
}

Result<void> FaultyFileSystem::truncate(int fd, std::uint64_t size) {
  const auto detail = fmt::format("{} {}", name_of_fd(fd), size);
  if (auto entered = enter(Call::truncate, detail); !entered) return entered;
  return below_.truncate(fd, size);
}

Result<void> FaultyFileSystem::allocate(int fd, std::uint64_t offset, std::uint64_t size) {
  const auto detail = fmt::format("{} {}+{}", name_of_fd(fd), offset, size);
  if (auto entered = enter(Call::allocate, detail); !entered) return entered;
  return below_.allocate(fd, offset, size);
}

Result<void> FaultyFileSystem::punch_hole(int fd, std::uint64_t offset, std::uint64_t size) {
  const auto detail = fmt::format("{} {}+{}", name_of_fd(fd), offset, size);
  if (auto entered = enter(Call::punch_hole, detail); !entered) return entered;
  return below_.punch_hole(fd, offset, size);
}

Result<void> FaultyFileSystem::close(UniqueFd fd) {
  auto entered = enter(Call::close, name_of_fd(fd.get()));
  {
    // As close(2) does it: the descriptor is gone whatever is returned.
    const std::scoped_lock lock(mutex_);
    names_.erase(fd.get());
  }
  if (!entered) return entered;
  return below_.close(std::move(fd));
}

Result<std::vector<std::string>> FaultyFileSystem::list(int directory, const std::string& path) {
  if (auto entered = enter(Call::list, path); !entered) return propagate(entered.error());
  return below_.list(directory, path);
}

Result<FileStatus> FaultyFileSystem::status(int fd) {
  if (auto entered = enter(Call::status, name_of_fd(fd)); !entered) {
    return propagate(entered.error());
  }
  return below_.status(fd);
}

Result<FreeSpace> FaultyFileSystem::free_space(int fd) {
  if (auto entered = enter(Call::free_space, name_of_fd(fd)); !entered) {
    return propagate(entered.error());
  }
  auto space = below_.free_space(fd);
  const std::scoped_lock lock(mutex_);
  if (space && pretends_space_) space->bytes = pretended_space_;
  return space;
}

Result<FileSystemKind> FaultyFileSystem::kind(int fd) {
  {
    const std::scoped_lock lock(mutex_);
    if (pretended_kind_) return *pretended_kind_;
  }
  return below_.kind(fd);
}

}  // namespace brevdue::tests
