// Finds the delivery state of some living messages: what all settlements together say that lie in
// the segments given to read(), in any order. One thread; side by side with the writer.
//
// In a damaged batch what recovery could use counts here too, the rest was reported then. Bytes of
// the open segment that are being written may be read half: what they say may be found or not.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "backends/iouring/log_findings.h"
#include "backends/iouring/segment_reader.h"
#include "backends/iouring/segment_scan.h"
#include "backends/iouring/segment_table.h"

namespace brevdue::backends {

// Generation → ascending offsets in it.
using MessageOffsets = std::map<std::uint32_t, std::vector<std::uint32_t>>;

class StateGatherer final : private SegmentVisitor {
 public:
  // `messages` must outlive it. `meanwhile` is called between batches: reading takes long.
  StateGatherer(LogDevice& device, const MessageOffsets& messages, std::function<void()> meanwhile)
      : reader_(device), messages_(messages), meanwhile_(std::move(meanwhile)) {}

  // Of `segment` only header, file_size, end and settlements_of are used. cancelled when told to;
  // io_failure if a part of it cannot be read.
  Result<void> read(const Segment& segment, const std::atomic<bool>& cancelled);
  // The same, but a few blocks that cannot be read count as damage, as in recovery.
  Result<void> read_what_is_readable(const Segment& segment, const std::atomic<bool>& cancelled);

  // The messages that settlements were found of.
  const std::map<RecordPlace, mail::QueueId>& settled() const { return settled_; }
  mail::DeliveryState state_of(RecordPlace place) const { return findings_.state_of(place); }
  // Whether a settlement of this message may have been in what is damaged or cannot be read.
  bool may_miss_some_of(RecordPlace place) const {
    return passed_over_damage_ && findings_.misses_some_of(place);
  }

 private:
  Result<void> batch(const ScannedBatch& batch) override;
  Result<void> bad(const BadRange& range) override;
  void take(RecordReader records, std::uint32_t offset);
  bool is_asked_for(RecordPlace place) const;

  SegmentReader reader_;
  const MessageOffsets& messages_;
  std::function<void()> meanwhile_;
  LogFindings findings_{LogFindings::Replies::kept};
  std::map<RecordPlace, mail::QueueId> settled_;
  std::uint32_t seed_ = 0;
  std::uint32_t generation_ = 0;
  std::uint32_t unreadable_blocks_ = 0;
  bool passed_over_damage_ = false;
};

}  // namespace brevdue::backends
