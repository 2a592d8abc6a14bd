// Empties segments in which little lives, by writing what does live again at the end of the log, so
// that mail which is deferred for long takes the room it needs and not a segment a message.
//
// A message is moved in one batch: itself, its whole delivery state, and the tombstone of what is
// left. The state is gathered from all settlements on the disk. Who holds the old location keeps it
// (Relocations). One thread, side by side with the writer: a message that is settled or discarded
// while this runs is left where it is.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "backends/iouring/log_device.h"
#include "backends/iouring/log_writer.h"
#include "backends/iouring/segment_pool.h"
#include "backends/iouring/state_gatherer.h"

namespace brevdue::backends {

class LogCompaction {
 public:
  struct Calls {
    // Makes the items durable; takes out those that are no longer to be moved.
    std::function<Result<void>(std::vector<LogItem>&)> write;
    // While a segment is read, and after one was emptied: for the caller's other duties.
    std::function<void()> meanwhile;
    std::function<void()> after_segment;
  };

  LogCompaction(LogDevice& device, SegmentPool& pool, std::uint32_t batch_size_max, Calls calls,
                const std::atomic<bool>& cancelled)
      : device_(device),
        pool_(pool),
        batch_size_max_(batch_size_max),
        calls_(std::move(calls)),
        cancelled_(cancelled) {}

  // Once. The segments that SegmentTable::sparse() names, as many as memory allows.
  Result<void> run();
  // Messages that are durable at their new place, also after an error.
  std::size_t moved() const { return moved_; }

 private:
  class Reading;

  void choose();
  Result<void> gather(StateGatherer& states);
  Result<void> empty(const Segment& segment, const StateGatherer& states);
  Result<void> take(mail::QueueId id, RecordPlace from, std::string_view envelope,
                    std::string_view content, const StateGatherer& states);
  Result<void> write_piece();

  LogDevice& device_;
  SegmentPool& pool_;
  const std::uint32_t batch_size_max_;
  Calls calls_;
  const std::atomic<bool>& cancelled_;
  MessageOffsets living_;          // in the segments to be emptied
  std::vector<Segment> emptied_;   // these; header, file_size and end
  std::vector<Segment> speaking_;  // all that may speak of them
  std::vector<LogItem> piece_;
  std::uint64_t piece_bytes_ = 0;
  std::size_t moved_ = 0;
};

}  // namespace brevdue::backends
