// Writes bytes that lie anywhere in memory, by way of an aligned copy. For headers and footers.
#pragma once

#include <cstring>
#include <string_view>

#include "backends/iouring/aligned_buffer.h"
#include "backends/iouring/log_device.h"

namespace brevdue::backends {

inline Result<void> write_blocks(LogDevice& device, std::uint32_t number, std::uint64_t offset,
                                 std::string_view blocks) {
  AlignedBuffer aligned(blocks.size());
  std::memcpy(aligned.bytes(), blocks.data(), blocks.size());
  return device.write_durable(number, offset, aligned.view());
}

}  // namespace brevdue::backends
