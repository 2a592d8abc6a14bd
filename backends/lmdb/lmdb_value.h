// What every value in the environment begins with: a CRC32C of its kind, its key and the rest,
// since LMDB's pages carry no checksum. Kind and key are in it so that a damaged page number cannot
// pass one value off as another. Pure.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

#include <lmdb.h>

#include "core/crc32c.h"

namespace brevdue::backends {

enum class ValueKind : std::uint8_t { envelope = 1, content = 2, settlement = 3, life = 4 };

inline constexpr std::size_t value_header = sizeof(std::uint32_t);

inline std::uint32_t value_crc(ValueKind kind, const MDB_val& key, std::string_view payload) {
  return crc32c(payload, crc32c(key.mv_data, key.mv_size, crc32c(&kind, sizeof kind)));
}

// Fills `to`, which has room for value_header + payload.size() bytes.
inline void fill_value(void* to, ValueKind kind, const MDB_val& key, std::string_view payload) {
  const std::uint32_t crc = value_crc(kind, key, payload);
  std::memcpy(to, &crc, sizeof crc);
  if (!payload.empty())
    std::memcpy(static_cast<char*>(to) + value_header, payload.data(), payload.size());
}

// The payload, or nothing if it is damaged.
inline std::optional<std::string_view> checked_value(ValueKind kind, const MDB_val& key,
                                                     const MDB_val& value) {
  if (value.mv_size < value_header) return std::nullopt;
  std::uint32_t crc = 0;
  std::memcpy(&crc, value.mv_data, sizeof crc);
  const std::string_view payload(static_cast<const char*>(value.mv_data) + value_header,
                                 value.mv_size - value_header);
  if (value_crc(kind, key, payload) != crc) return std::nullopt;
  return payload;
}

}  // namespace brevdue::backends
