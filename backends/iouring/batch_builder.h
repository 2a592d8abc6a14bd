// Puts the records of one batch behind its header, ready for one write: padded with zeros to whole
// blocks, with every checksum in place. One thread.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "backends/iouring/log_format.h"
#include "backends/iouring/log_record.h"

namespace brevdue::backends {

class BatchBuilder {
 public:
  // At `offset` of the segment, in `memory` for header and records, whole blocks.
  BatchBuilder(std::span<char> memory, const SegmentHeader& segment, std::uint32_t offset)
      : memory_(memory), segment_(segment), offset_(offset) {}

  // Returns where the record lies in the segment.
  std::uint32_t add(const LogRecord& record);
  // The bytes to write. Of `header` only run, sequence and durable_through are taken.
  std::string_view finish(BatchHeader header);

 private:
  std::span<char> memory_;
  const SegmentHeader& segment_;
  std::uint32_t offset_;
  std::uint32_t used_ = batch_header_size;
  std::uint32_t count_ = 0;
  std::uint32_t crc_ = 0;  // of the records
};

}  // namespace brevdue::backends
