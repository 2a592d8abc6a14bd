// Reads a segment front to back in large direct reads.
//
// A block that the device cannot read comes out as zeros and is counted, the checksums above then
// tell what was lost; after many such blocks in one segment it is an io_failure. One thread; a view
// lives until the next call.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include "backends/iouring/aligned_buffer.h"
#include "backends/iouring/log_device.h"

namespace brevdue::backends {

class SegmentReader {
 public:
  explicit SegmentReader(LogDevice& device) : device_(device) {}

  // Begins with another segment; `size` is how much of the file may be read.
  void select(std::uint32_t number, std::uint32_t size);
  // The bytes from `offset` on (a multiple of log_block): `size` of them, less at the end of the
  // segment. not_found if the segment is gone.
  Result<std::string_view> view(std::uint32_t offset, std::uint32_t size);
  std::uint32_t unreadable_blocks() const { return unreadable_; }

 private:
  Result<void> fill(std::uint32_t offset, std::uint32_t size);
  Result<std::size_t> read_around_bad_blocks(std::uint32_t offset, char* to, std::uint32_t size);

  LogDevice& device_;
  AlignedBuffer buffer_;
  std::uint32_t number_ = 0;
  std::uint32_t size_ = 0;
  std::uint32_t begin_ = 0;  // what the buffer holds
  std::uint32_t end_ = 0;
  std::uint32_t unreadable_ = 0;
};

}  // namespace brevdue::backends
