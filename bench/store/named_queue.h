// A queue over a fresh store of a named backend, in a directory of its own that is removed at the
// end; what qmgr has, with an observer that only watches for failure. One thread: the caller's.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "bench/store/bench_event_loop.h"
#include "core/clock.h"
#include "core/file_system.h"
#include "core/log.h"
#include "queue/queue.h"

namespace brevdue::bench {

// Removed with all that is in it, also when what was to use it could not be made.
class FreshDirectory {
 public:
  // Throws std::runtime_error if it is there already or cannot be made.
  explicit FreshDirectory(std::string path);
  ~FreshDirectory();
  FreshDirectory(const FreshDirectory&) = delete;
  FreshDirectory& operator=(const FreshDirectory&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class NamedQueue final : public queue::QueueObserver {
 public:
  // `backend`: iouring, iouring-pwritev2, lmdb or maildir. With `second`, the directory on another
  // disk, it is a mirror of two of them. Returns when recovery has ended. Throws
  // std::runtime_error.
  NamedQueue(const std::string& parent, const std::string& backend, const std::string& second = "");

  queue::Queue& queue() { return *queue_; }
  const std::string& path() const { return directory_.path(); }
  // Waits for something to do and does it. Throws std::runtime_error once the store has failed.
  void turn();

 private:
  void queued(const queue::QueuedMessage&) override {}
  void unavailable() override { failed_ = true; }
  void available() override {}
  void recovered(std::size_t) override;

  FreshDirectory directory_;
  std::optional<FreshDirectory> second_;
  RealFileSystem files_;
  SystemClock clock_;
  Log log_;
  BenchEventLoop loop_;
  std::unique_ptr<queue::Queue> queue_;
  bool recovered_ = false;
  bool failed_ = false;
};

}  // namespace brevdue::bench
