// Both names of each call are defined here, so neither may be an alias of the other.
#undef _FILE_OFFSET_BITS

#include "tests/powerloss/file_recorder.h"

#include <algorithm>
#include <atomic>
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

namespace brevdue::powerloss {

namespace {
// Functions that replace those of the C library have no other place to find it.
std::atomic<FileRecorder*> installed{nullptr};
std::atomic<ino_t> installed_inode{0};

ssize_t write_below(int fd, std::string_view bytes, off_t offset) {
  return ::syscall(SYS_pwrite64, fd, bytes.data(), bytes.size(), offset);
}
}  // namespace

FileRecorder::FileRecorder(const std::string& path, std::size_t size_max, std::uint64_t seed)
    : file_(::open(path.c_str(), O_RDWR | O_CLOEXEC)),
      random_(seed),
      medium_(size_max),
      cache_(medium_, UINT64_MAX) {
  struct stat status{};
  BREVDUE_ASSERT(file_ && ::fstat(file_.get(), &status) == 0);
  inode_ = status.st_ino;
  std::string content(static_cast<std::size_t>(status.st_size), '\0');
  BREVDUE_ASSERT(::pread(file_.get(), content.data(), content.size(), 0) == status.st_size);
  BREVDUE_ASSERT(medium_.write(0, std::as_bytes(std::span(content))));
  length_ = durable_length_ = content.size();
  BREVDUE_ASSERT(installed.exchange(this) == nullptr);
  installed_inode = inode_;
}

FileRecorder::~FileRecorder() {
  installed = nullptr;
}

FileRecorder* FileRecorder::of(int fd) {
  FileRecorder* recorder = installed;
  struct stat status{};
  if (recorder == nullptr || ::fstat(fd, &status) != 0) return nullptr;
  return status.st_ino == installed_inode ? recorder : nullptr;
}

void FileRecorder::arm_cut(std::uint64_t nth, std::size_t sector) {
  const std::lock_guard lock(mutex_);
  cut_at_ = changes_ + nth;
  sector_ = sector;
}

bool FileRecorder::has_power() const {
  const std::lock_guard lock(mutex_);
  return power_;
}

void FileRecorder::plan(const Fault& fault) {
  const std::lock_guard lock(mutex_);
  fault_ = fault;
  calls_until_fault_ = fault.nth;
  fault_happened_ = false;
}

bool FileRecorder::fault_happened() const {
  const std::lock_guard lock(mutex_);
  return fault_happened_;
}

bool FileRecorder::enter(std::string_view call, bool& is_cut) {
  is_cut = power_ && ++changes_ == cut_at_;
  if (is_cut) power_ = false;
  if (!power_) {
    errno = EIO;
    return is_cut;
  }
  if (calls_until_fault_ == 0 || fault_.call != call || --calls_until_fault_ > 0) return true;
  fault_happened_ = true;
  if (fault_.lasting) calls_until_fault_ = 1;
  errno = fault_.os_error;
  return false;
}

ssize_t FileRecorder::write(int fd, std::string_view bytes, off_t offset) {
  const std::lock_guard lock(mutex_);
  bool is_cut = false;
  if (!enter("write", is_cut)) {
    if (errno != 0) return -1;
    bytes = bytes.substr(0, bytes.size() / 2 / disk::sector_size * disk::sector_size);
  }
  const ssize_t written = write_below(fd, bytes, offset);
  if (written < 0) return written;
  const auto at = static_cast<std::uint64_t>(offset);
  const auto content = std::as_bytes(std::span(bytes)).first(static_cast<std::size_t>(written));
  BREVDUE_ASSERT(at + content.size() <= medium_.size());
  length_ = std::max(length_, at + content.size());
  const bool through = (::fcntl(fd, F_GETFL) & O_DSYNC) != 0 && !is_cut;
  const auto kept = through ? cache_.write_through(at, content) : cache_.write(at, content);
  BREVDUE_ASSERT(kept);
  if (through) durable_length_ = std::max(durable_length_, at + content.size());
  if (!is_cut) return written;
  errno = EIO;
  return -1;
}

int FileRecorder::sync() {
  const int done = sync_once();
  return done == 0 || !sync_habits().retries ? done : sync_once();
}

int FileRecorder::sync_once() {
  const std::lock_guard lock(mutex_);
  bool is_cut = false;
  if (!enter("sync", is_cut)) {
    // The pages are clean now, and nowhere else.
    if (power_) BREVDUE_ASSERT(cache_.cut(disk::PowerCut::drop()));
    return -1;
  }
  if (is_cut) return -1;
  BREVDUE_ASSERT(cache_.flush());
  durable_length_ = length_;
  return 0;
}

void FileRecorder::lose_memory() {
  const std::lock_guard lock(mutex_);
  const std::uint64_t toss = random_() % 6;
  const std::uint64_t seed = random_() % (1u << 30);
  const disk::PowerCut cut = toss == 0   ? disk::PowerCut::drop()
                             : toss == 1 ? disk::PowerCut::keep()
                             : toss < 4  ? disk::PowerCut::subset(seed)
                                         : disk::PowerCut::torn(seed, sector_);
  BREVDUE_ASSERT(cache_.cut(cut));
  // A size is durable with a sync, or by chance; what is not covered reads as zeros.
  if (random_() % 2 == 0) length_ = durable_length_;
  durable_length_ = length_;
  const std::string_view image(reinterpret_cast<const char*>(medium_.bytes().data()), length_);
  BREVDUE_ASSERT(::syscall(SYS_ftruncate, file_.get(), length_) == 0);
  BREVDUE_ASSERT(write_below(file_.get(), image, 0) == static_cast<ssize_t>(length_));
  power_ = true;
  cut_at_ = 0;
  calls_until_fault_ = 0;
}

}  // namespace brevdue::powerloss

using brevdue::powerloss::FileRecorder;

extern "C" {
ssize_t pwrite(int fd, const void* bytes, size_t size, off_t offset) {
  FileRecorder* recorder = FileRecorder::of(fd);
  if (recorder == nullptr) return ::syscall(SYS_pwrite64, fd, bytes, size, offset);
  return recorder->write(fd, {static_cast<const char*>(bytes), size}, offset);
}
ssize_t pwrite64(int fd, const void* bytes, size_t size, off_t offset) {
  return pwrite(fd, bytes, size, offset);
}
// LMDB writes neighbouring pages with lseek and writev: here one piece after the other.
ssize_t writev(int fd, const iovec* parts, int count) {
  FileRecorder* recorder = FileRecorder::of(fd);
  if (recorder == nullptr) return ::syscall(SYS_writev, fd, parts, count);
  off_t offset = ::lseek(fd, 0, SEEK_CUR);
  ssize_t total = 0;
  for (int i = 0; i < count; ++i) {
    const ssize_t written = recorder->write(
        fd, {static_cast<const char*>(parts[i].iov_base), parts[i].iov_len}, offset);
    if (written < 0) return -1;
    total += written;
    offset = ::lseek(fd, offset + written, SEEK_SET);
    if (static_cast<size_t>(written) < parts[i].iov_len) break;
  }
  return total;
}
int fsync(int fd) {
  FileRecorder* recorder = FileRecorder::of(fd);
  return recorder == nullptr ? static_cast<int>(::syscall(SYS_fsync, fd)) : recorder->sync();
}
int fdatasync(int fd) {
  FileRecorder* recorder = FileRecorder::of(fd);
  return recorder == nullptr ? static_cast<int>(::syscall(SYS_fdatasync, fd)) : recorder->sync();
}
}
