// Puts the records of one batch behind its header in an arena, ready for one write: aligned, padded
// with zeros to whole blocks, with every checksum in place. One thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "backends/iouring/aligned_buffer.h"
#include "backends/iouring/log_format.h"
#include "backends/iouring/log_record.h"

namespace brevdue::backends {

class BatchBuilder {
 public:
  // What one write carries at most, unless a single record is larger.
  static constexpr std::uint32_t arena_size = 4u << 20;

  explicit BatchBuilder(std::uint32_t size = arena_size) : arena_(size) {}

  std::string_view arena() const { return arena_.view(); }

  // `size` with header and records must fit in the segment.
  void begin(const SegmentHeader& segment, std::uint32_t offset, std::uint32_t size);
  // Returns where the record lies in the segment.
  std::uint32_t add(const LogRecord& record);
  // The bytes to write; valid until the next begin(). Of `header` only run, sequence and
  // durable_through are taken.
  std::string_view finish(BatchHeader header);

 private:
  AlignedBuffer arena_;
  AlignedBuffer large_;  // for a batch of one record that does not fit in the arena
  AlignedBuffer* target_ = &arena_;
  SegmentHeader segment_;
  std::uint32_t offset_ = 0;
  std::uint32_t used_ = 0;
  std::uint32_t count_ = 0;
};

}  // namespace brevdue::backends
