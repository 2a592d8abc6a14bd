// A piece of a segment in memory, so that records that are asked for in the order in which they lie
// are read from the disk in large pieces, and others in no more than the blocks they need.
//
// It does not see what is written after it has read: forget() what may change, and read nothing of
// that ahead. One thread; a view lives until the next call.
#pragma once

#include <cstdint>
#include <string_view>

#include "backends/iouring/aligned_buffer.h"
#include "backends/iouring/log_device.h"
#include "backends/iouring/log_format.h"

namespace brevdue::backends {

class ReadWindow {
 public:
  static constexpr std::uint32_t read_ahead = 256 * 1024;
  enum class Ahead { never, may_follow };

  explicit ReadWindow(LogDevice& device) : device_(device) {}

  // Bytes of the segment from `offset` on: `size` of them, less at its end.
  Result<std::string_view> view(const SegmentHeader& segment, std::uint32_t offset,
                                std::uint32_t size, Ahead ahead);
  void forget() { end_ = begin_; }

 private:
  Result<void> fill(const SegmentHeader& segment, std::uint32_t begin, std::uint32_t size,
                    Ahead ahead);
  Result<void> read(std::uint32_t number, std::uint32_t begin, std::uint32_t size);

  LogDevice& device_;
  AlignedBuffer buffer_;
  std::uint32_t generation_ = 0;
  std::uint32_t begin_ = 0;  // what the buffer holds
  std::uint32_t end_ = 0;
};

}  // namespace brevdue::backends
