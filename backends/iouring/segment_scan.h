// Walks the batches of one segment and finds where its log ends (FORMAT.md, "Reading a segment").
//
// After a bad batch the walk resumes behind it if its header can be trusted, else at the next block
// that holds a batch header of this segment. What is bad is either damage or the end of the log;
// which of them is decided by the highest `durable_through` seen anywhere in the segment, or by its
// footer.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "backends/iouring/log_format.h"
#include "backends/iouring/segment_reader.h"

namespace brevdue::backends {

struct ScannedBatch {
  BatchHeader header;
  std::string_view bytes;  // header and records; less than that in a segment that was cut
  bool intact;  // the checksum over the records holds; if not, single records may be whole

  std::string_view records() const {
    return bytes.substr(std::min<std::size_t>(batch_header_size, bytes.size()));
  }
};

// Bytes that are no batch: at the end of a segment without a footer, or damage.
struct BadRange {
  std::uint32_t offset;
  std::uint32_t size;
};

class SegmentVisitor {
 public:
  virtual ~SegmentVisitor() = default;
  virtual Result<void> batch(const ScannedBatch& batch) = 0;
  virtual Result<void> bad(const BadRange& range) = 0;
};

// Every batch and every bad range from the start of the segment to `end`, in order. Gives up with
// `cancelled` when told to.
Result<void> walk_segment(SegmentReader& reader, const SegmentHeader& header, std::uint32_t end,
                          const std::atomic<bool>& cancelled, SegmentVisitor& visitor);

struct SegmentEnd {
  std::uint32_t offset = segment_header_area;  // the log of this segment ends here
  std::uint64_t last_sequence = 0;             // what the next batch must exceed
  std::uint32_t run = 0;                       // the highest seen
  bool sealed = false;                         // by a footer: nothing more may be written
};

// `file_size` may be less than header.size in a segment that was cut.
Result<SegmentEnd> find_segment_end(SegmentReader& reader, const SegmentHeader& header,
                                    std::uint32_t file_size, const std::atomic<bool>& cancelled);

}  // namespace brevdue::backends
