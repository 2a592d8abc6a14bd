// CRC32C (Castagnoli, RFC 3720 B.4), by ISA-L's run-time dispatch. Thread-safe.
//
// The running value is the finished one: crc32c(b, crc32c(a)) is the CRC of a followed by b, and
// the CRC of nothing is 0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace brevdue {

std::uint32_t crc32c(const void* bytes, std::size_t size, std::uint32_t before = 0);

inline std::uint32_t crc32c(std::string_view bytes, std::uint32_t before = 0) {
  return crc32c(bytes.data(), bytes.size(), before);
}

// Of bytes with the CRC `first` followed by `second_size` bytes with the CRC `second`, without
// looking at either. Costs as much as looking at some 8 KiB.
std::uint32_t crc32c_of_both(std::uint32_t first, std::uint32_t second, std::uint64_t second_size);

}  // namespace brevdue
