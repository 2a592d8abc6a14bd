#include "core/crc32c.h"

#include <algorithm>

#include <isa-l/crc.h>

namespace brevdue {

std::uint32_t crc32c(const void* bytes, std::size_t size, std::uint32_t before) {
  // ISA-L takes an int length and a pointer to non-const bytes that it only reads.
  constexpr std::size_t piece_max = std::size_t{1} << 30;
  auto* at = static_cast<unsigned char*>(const_cast<void*>(bytes));
  std::uint32_t state = ~before;
  while (size > 0) {
    const std::size_t piece = std::min(size, piece_max);
    state = crc32_iscsi(at, static_cast<int>(piece), state);
    at += piece;
    size -= piece;
  }
  return ~state;
}

}  // namespace brevdue
