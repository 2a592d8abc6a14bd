#include "backends/lmdb/zero_writer.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <unistd.h>

#include "backends/lmdb/lmdb_syncs.h"

namespace brevdue::backends {

namespace {
// In one request of the device, and aligned for direct I/O. Never written to.
alignas(4096) char zeros[1u << 20];
}  // namespace

void ZeroFile::use(int file, UniqueFd direct) {
  file_ = file;
  direct_ = std::move(direct);
}

Result<void> ZeroFile::write(FilePart part) {
  for (std::uint64_t at = part.from; at < part.to;) {
    const std::size_t piece = std::min<std::uint64_t>(sizeof zeros, part.to - at);
    const int file = direct_ ? direct_.get() : file_;
    const ssize_t n = ::pwrite(file, zeros, piece, static_cast<off_t>(at));
    // A file system that opens a file for direct I/O and refuses it then.
    if (n < 0 && errno == EINVAL && direct_) {
      direct_.reset();
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail_os(n < 0 ? errno : ENOSPC, "lmdb: grow the file");
    at += static_cast<std::uint64_t>(n);
  }
  return {};
}

Result<void> ZeroFile::sync() const {
  if (lmdb_syncs && ::fdatasync(file_) != 0) {
    return fail(ErrorCode::io_failure, "lmdb: sync the growth of the file");
  }
  return {};
}

ZeroWriter::~ZeroWriter() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void ZeroWriter::begin(FilePart part) {
  part_ = part;
  if (!thread_.joinable()) thread_ = std::thread([this] { work(); });
  {
    const std::lock_guard lock(mutex_);
    wanted_ = part;
  }
  changed_.notify_all();
}

bool ZeroWriter::finished() const {
  const std::lock_guard lock(mutex_);
  return outcome_.has_value();
}

Result<void> ZeroWriter::take() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return outcome_.has_value(); });
  part_.reset();
  return *std::exchange(outcome_, std::nullopt);
}

void ZeroWriter::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || wanted_; });
    if (stopping_) return;
    const FilePart part = *std::exchange(wanted_, std::nullopt);
    lock.unlock();
    Result<void> outcome = file_.write(part);
    lock.lock();
    outcome_ = std::move(outcome);
    changed_.notify_all();
  }
}

}  // namespace brevdue::backends
