// A piece of a segment in memory, so that records that are asked for in the order in which they lie
// are read from the disk in large pieces, and others in no more than the blocks they need.
//
// It holds only what was durable when it was read, which never changes: behind that may lie what is
// left of a batch that was cut off, with every checksum right, and be overwritten any moment. One
// thread; a view lives until the next call.
#pragma once

#include <cstdint>
#include <string_view>

#include "backends/iouring/aligned_buffer.h"
#include "backends/iouring/log_device.h"
#include "backends/iouring/segment_table.h"

namespace brevdue::backends {

class ReadWindow {
 public:
  static constexpr std::uint32_t read_ahead = 256 * 1024;

  explicit ReadWindow(LogDevice& device) : device_(device) {}

  // Bytes of the segment from `offset` on: `size` of them, less where what is durable ends in it.
  // Of `segment` only header and end are used.
  Result<std::string_view> view(const Segment& segment, std::uint32_t offset, std::uint32_t size);
  // What is held is read again when it is asked for.
  void forget() { begin_ = end_ = 0; }

 private:
  Result<void> fill(const Segment& segment, std::uint32_t begin, std::uint32_t size);
  Result<void> read(std::uint32_t number, std::uint32_t begin, std::uint32_t size);

  LogDevice& device_;
  AlignedBuffer buffer_;
  std::uint32_t generation_ = 0;
  std::uint32_t begin_ = 0;  // what the buffer holds
  std::uint32_t end_ = 0;
};

}  // namespace brevdue::backends
