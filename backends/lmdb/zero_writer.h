// Writes zeros to a part of a file in a thread of its own, so that a commit does not wait for the
// growth that later ones will need.
//
// One part at a time. The owner calls everything from one thread, and must keep all others from
// writing to the part until take() has returned. It is the owner who syncs: a sync that fails
// beside a commit would be known too late for it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <thread>

#include "core/error.h"
#include "core/unique_fd.h"

namespace brevdue::backends {

// Of a file; multiples of the page size.
struct FilePart {
  std::uint64_t from = 0;
  std::uint64_t to = 0;
};

// Past the page cache, where nobody would ever read them, unless the file system refuses that.
// Blocking. An error is a write's: what was written of the part is zeros.
class ZeroFile {
 public:
  // `file` must stay open; `direct` is the same, opened for direct I/O, or nothing.
  void use(int file, UniqueFd direct);
  Result<void> write(FilePart part);
  Result<void> sync() const;

 private:
  int file_ = -1;
  UniqueFd direct_;
};

class ZeroWriter {
 public:
  explicit ZeroWriter(ZeroFile& file) : file_(file) {}
  ZeroWriter(const ZeroWriter&) = delete;
  ZeroWriter& operator=(const ZeroWriter&) = delete;
  ~ZeroWriter();

  // Not while part() is set.
  void begin(FilePart part);
  // What is being written, or was and was not taken yet.
  const std::optional<FilePart>& part() const { return part_; }
  bool finished() const;

  // Waits until the part is written, or that has failed. Only while part() is set.
  Result<void> take();

 private:
  void work();

  ZeroFile& file_;
  std::optional<FilePart> part_;
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::optional<FilePart> wanted_;
  std::optional<Result<void>> outcome_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace brevdue::backends
