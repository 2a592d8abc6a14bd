// A wrong build: every checksum is the same, so that none is ever wrong. Takes the place of
// core/crc32c.cc.
#include "core/crc32c.h"

namespace brevdue {

std::uint32_t crc32c(const void*, std::size_t, std::uint32_t) {
  return 0;
}

std::uint32_t crc32c_of_both(std::uint32_t, std::uint32_t, std::uint64_t) {
  return 0;
}

}  // namespace brevdue
