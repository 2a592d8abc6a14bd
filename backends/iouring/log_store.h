// The io_uring backend: a log in reused segments of a fixed size, one direct, durable write a
// batch. FORMAT.md has the bytes, what recovery does, and why nothing comes back that was
// discarded.
//
// Threads: the owner's calls, those that recover and read, a writer, and a caretaker that keeps
// blank segments ready.
// Up to four batches are in flight, acknowledged in order; depth() is 1, or 4 while writes are
// quick. A batch larger than a segment is written in pieces; a single message or settlement larger
// than one is too_large.
// Where the kernel refuses io_uring the same log is written with pwritev2, and where the file
// system refuses direct I/O through the page cache; both are said through `notice` before start()
// returns.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "backends/iouring/caretaker.h"
#include "backends/iouring/log_device.h"
#include "backends/iouring/log_reader.h"
#include "backends/iouring/log_recovery.h"
#include "backends/iouring/log_writer.h"
#include "backends/iouring/segment_pool.h"
#include "queue/store.h"

namespace brevdue::backends {

struct LogStoreOptions {
  static constexpr unsigned format_version = 1;

  std::string path;        // the backend's directory in the spool; made if it is missing
  std::string quarantine;  // a directory for what is damaged
  std::uint32_t segment_size = 64u << 20;  // 64 KiB to 1 GiB, whole blocks of 4096
  unsigned spare_segments = 2;             // blank ones kept ready; at least 2, which are reserved
  unsigned spare_segments_max = 32;        // more than these are given back to the file system
  std::uint64_t reserve = 0;  // no content is taken while the file system has less free (bytes)
  bool read_only = false;     // recover() changes nothing, submit() refuses
  bool force_ordinary_calls = false;  // pwritev2 in place of io_uring
  // One line for the operator; called from any of the store's threads.
  std::function<void(std::string)> notice = [](std::string) {};
};

class LogStore final : public queue::Store {
 public:
  explicit LogStore(LogStoreOptions options);
  // On another device; path and force_ordinary_calls are not used then.
  LogStore(LogStoreOptions options, std::unique_ptr<LogDevice> device);
  ~LogStore() override;

  Result<void> start() override;
  Result<void> recover(queue::RecoverySink& sink) override;
  void submit(queue::Batch batch, queue::BatchDone done) override;
  std::optional<int> begin_attended(std::function<void()> poke) override;
  void attend() override;
  unsigned depth() const override { return writer_.depth(); }
  Result<SharedBytes> open(mail::QueueId id, const queue::Location& location) override;
  Result<queue::StoredMessage> look_up(mail::QueueId id, const queue::Location& location) override;
  Result<queue::Verified> verify(mail::QueueId id, const queue::Location& location) override;
  std::uint64_t room() const override;

 private:
  Result<void> check_options() const;
  Result<void> read_headers(const std::vector<SegmentFile>& files);
  void enter(const SegmentFile& file, const HeaderArea& area, HeaderState header_was);
  // What the first batch says if the header does not hold.
  Result<HeaderArea> rescue(SegmentReader& reader, const SegmentFile& file, HeaderArea area);
  Result<void> find_end();
  Result<void> begin_writing();

  LogStoreOptions options_;
  std::unique_ptr<LogDevice> device_;
  SegmentPool pool_;
  LogWriter writer_;
  Caretaker caretaker_;
  std::atomic<bool> cancelled_{false};
  LogReader reader_;

  // From start() for recover().
  std::vector<RecoverySource> sources_;  // newest first
  std::vector<std::uint32_t> damaged_;   // numbers
  SegmentEnd end_;                       // of sources_.front()

  std::mutex mutex_;  // guards recovering_
  std::condition_variable recovered_;
  bool recovering_ = false;

  std::thread writer_thread_;
  std::thread caretaker_thread_;
};

}  // namespace brevdue::backends
