// What every value in the environment begins with: a CRC32C of the rest, since LMDB's pages carry
// no checksum. Pure.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

#include "core/crc32c.h"

namespace brevdue::backends {

inline constexpr std::size_t value_header = sizeof(std::uint32_t);

// Fills `to`, which has room for value_header + payload.size() bytes.
inline void fill_value(void* to, std::string_view payload) {
  const std::uint32_t crc = crc32c(payload);
  std::memcpy(to, &crc, sizeof crc);
  if (!payload.empty())
    std::memcpy(static_cast<char*>(to) + value_header, payload.data(), payload.size());
}

// The payload, or nothing if it is damaged.
inline std::optional<std::string_view> checked_value(const void* bytes, std::size_t size) {
  if (size < value_header) return std::nullopt;
  std::uint32_t crc = 0;
  std::memcpy(&crc, bytes, sizeof crc);
  const std::string_view payload(static_cast<const char*>(bytes) + value_header,
                                 size - value_header);
  if (crc32c(payload) != crc) return std::nullopt;
  return payload;
}

}  // namespace brevdue::backends
