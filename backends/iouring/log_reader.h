// Reads single messages of the log: what the store's open() and look_up() do. The reader thread;
// side by side with everything else.
//
// A message may be moved while it is read, and its segment filled anew: then it is read once more
// where it lies now.
#pragma once

#include <atomic>
#include <optional>

#include "backends/iouring/log_device.h"
#include "backends/iouring/log_location.h"
#include "backends/iouring/segment_pool.h"
#include "queue/store.h"

namespace brevdue::backends {

class LogReader {
 public:
  // `cancelled` cuts short what takes long.
  LogReader(LogDevice& device, SegmentPool& pool, const std::atomic<bool>& cancelled)
      : device_(device), pool_(pool), cancelled_(cancelled) {}

  Result<SharedBytes> open(mail::QueueId id, const queue::Location& location);
  Result<queue::StoredMessage> look_up(mail::QueueId id, const queue::Location& location);

 private:
  // The segment in which the message lies, if it lives and can lie there; `at` becomes where it
  // lies now.
  std::optional<SegmentHeader> locate(LogLocation& at);
  Result<SharedBytes> read_content(mail::QueueId id, const LogLocation& at,
                                   const SegmentHeader& segment);
  Result<SharedBytes> read_envelope(mail::QueueId id, const LogLocation& at,
                                    const SegmentHeader& segment);
  // What all settlements on the disk say; nothing if some of them were replaced meanwhile.
  Result<std::optional<mail::DeliveryState>> gather_state(RecordPlace place);

  LogDevice& device_;
  SegmentPool& pool_;
  const std::atomic<bool>& cancelled_;
};

}  // namespace brevdue::backends
