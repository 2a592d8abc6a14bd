// Reads single messages of the log: what the store's open() and look_up() do. The reader thread;
// side by side with everything else.
//
// A message may be moved while it is read, or its settlement written again, and the segment filled
// anew: then it is read once more where it lies now. look_up() reads the message's header and
// envelope, and the latest settlement if that says all; two reads, or none where a caller goes
// through the messages in the order in which they lie.
#pragma once

#include <atomic>
#include <memory>
#include <optional>

#include "backends/iouring/log_device.h"
#include "backends/iouring/log_location.h"
#include "backends/iouring/read_window.h"
#include "backends/iouring/segment_pool.h"
#include "queue/store.h"

namespace brevdue::backends {

class LogReader {
 public:
  // `cancelled` cuts short what takes long.
  LogReader(LogDevice& device, SegmentPool& pool, const std::atomic<bool>& cancelled)
      : device_(device),
        pool_(pool),
        cancelled_(cancelled),
        messages_(device),
        settlements_(device) {}

  Result<SharedBytes> open(mail::QueueId id, const queue::Location& location);
  Result<queue::StoredMessage> look_up(mail::QueueId id, const queue::Location& location);
  Result<queue::Verified> verify(mail::QueueId id, const queue::Location& location);

 private:
  // Of segments header and end.
  struct Found {
    Segment segment;
    std::optional<RecordPlace> latest;   // its latest settlement
    std::optional<Segment> latest_lies;  // in this segment; nothing if that is gone
  };

  // The segment in which the message lies, if it lives and can lie there; `at` becomes where it
  // lies now.
  std::optional<Found> locate(LogLocation& at);
  // The blocks with the record of a message, and that record; nothing if its header is damaged.
  struct WholeRecord {
    std::shared_ptr<char[]> blocks;
    std::optional<LogRecord> record;
  };
  Result<WholeRecord> read_whole(mail::QueueId id, const LogLocation& at,
                                 const SegmentHeader& segment);
  Result<void> verify_record(mail::QueueId id, const LogLocation& at, const SegmentHeader& segment,
                             queue::Verified& verified);
  Result<void> verify_latest(const LogLocation& at, const Found& found, queue::Verified& verified);
  Result<SharedBytes> read_content(mail::QueueId id, const LogLocation& at,
                                   const SegmentHeader& segment);
  Result<SharedBytes> read_envelope(mail::QueueId id, const LogLocation& at,
                                    const Segment& segment);
  // The state, or nothing if the latest settlement does not say all; or is damaged.
  struct Latest {
    std::optional<mail::DeliveryState> state{};
    bool is_damaged = false;
    std::uint32_t sequence = 0;  // of the latest settlement, as far as it is known
  };
  Result<Latest> read_latest(const LogLocation& at, const Found& found);
  // A record's header and first string; nothing if they are damaged.
  static Result<std::optional<LogRecord>> read_first(ReadWindow& window, const Segment& segment,
                                                     std::uint32_t offset);
  struct Gathered {
    mail::DeliveryState state;
    bool is_older = false;  // one that was damaged or could not be read is missing
  };
  // What all settlements on the disk say; nothing if some of them were replaced meanwhile.
  Result<std::optional<Gathered>> gather_state(RecordPlace place);
  // The same, from the latest one alone where that says all.
  Result<std::optional<Gathered>> read_state(const LogLocation& at, const Found& found);

  LogDevice& device_;
  SegmentPool& pool_;
  const std::atomic<bool>& cancelled_;
  ReadWindow messages_;
  ReadWindow settlements_;
};

}  // namespace brevdue::backends
