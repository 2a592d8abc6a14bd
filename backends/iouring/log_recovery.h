// Reads what the log held when the store started, newest segment first, and reports each living
// message once (FORMAT.md, "Recovery").
//
// What is said about a message lies in its own segment or in a later one, so that when a segment
// has been read its messages can be reported, and nothing but a set of numbers is kept for the
// older ones. One thread; side by side with the writer, which only writes elsewhere.
#pragma once

#include <atomic>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "backends/iouring/log_device.h"
#include "backends/iouring/log_findings.h"
#include "backends/iouring/segment_pool.h"
#include "backends/iouring/segment_reader.h"
#include "backends/iouring/segment_scan.h"
#include "queue/store.h"

namespace brevdue::backends {

struct RecoverySource {
  SegmentHeader header;
  std::uint32_t file_size = 0;
  // Of the newest: where its log ended at start(). 0: by its footer.
  std::uint32_t end = 0;
  // What the next younger segment on the disk says was durable before it.
  std::uint64_t durable_through = 0;
  // What the header was; anything but `used` was put together again.
  HeaderState header_was = HeaderState::used;
};

class LogRecovery : private SegmentVisitor {
 public:
  LogRecovery(LogDevice& device, SegmentPool& pool, queue::RecoverySink& sink, bool read_only,
              const std::atomic<bool>& cancelled)
      : device_(device),
        pool_(pool),
        sink_(sink),
        read_only_(read_only),
        cancelled_(cancelled),
        reader_(device) {}

  // `sources` from the newest to the oldest; `damaged`: segments without a readable header.
  Result<void> run(const std::vector<RecoverySource>& sources,
                   const std::vector<std::uint32_t>& damaged);

 private:
  struct FoundMessage {
    mail::QueueId id;
    std::uint32_t offset;
    std::uint32_t size;
    SharedBytes envelope;
  };

  Result<void> batch(const ScannedBatch& batch) override;
  Result<void> bad(const BadRange& range) override;
  // The record at `offset` of the segment, with intact strings.
  Result<void> take(const LogRecord& record, std::uint32_t offset);
  // Takes the whole ones among the records in damaged bytes, which begin at `offset`; says how many
  // they are and whose are damaged.
  Result<std::string> salvage(std::string_view bytes, std::uint32_t offset);
  Result<void> scan(const RecoverySource& source);
  Result<void> find_end(const RecoverySource& source);
  void enter_in_table();
  void report();
  void report_header();
  Result<void> set_aside(std::uint32_t offset, std::string_view bytes, std::string why);

  LogDevice& device_;
  SegmentPool& pool_;
  queue::RecoverySink& sink_;
  const bool read_only_;
  const std::atomic<bool>& cancelled_;
  SegmentReader reader_;
  LogFindings findings_{LogFindings::Replies::left_out};
  std::set<std::uint32_t> present_;  // generations on the disk

  // Of the segment being read.
  RecoverySource source_;
  std::uint32_t end_ = 0;
  bool has_footer_ = false;
  std::uint64_t last_sequence_ = 0;
  std::vector<FoundMessage> messages_;
  std::vector<std::uint32_t> tombstones_of_;
  std::vector<std::uint32_t> settlements_of_;
};

}  // namespace brevdue::backends
