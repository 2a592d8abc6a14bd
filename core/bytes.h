// Little-endian encoding into a growing string and out of a bounded view.
//
// A ByteReader never reads past its end: after the first short read it is failed, every later read
// returns zero or nothing, and the caller asks ok() once at the end. What it hands out as a view
// lives as long as the bytes it was made of.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace brevdue {

static_assert(std::endian::native == std::endian::little, "the disk formats are little-endian");

template <std::unsigned_integral T>
void put(std::string& out, T value) {
  char raw[sizeof value];
  std::memcpy(raw, &value, sizeof value);
  out.append(raw, sizeof value);
}

// A byte string with its length in front (32 bits).
inline void put_string(std::string& out, std::string_view text) {
  put(out, static_cast<std::uint32_t>(text.size()));
  out.append(text);
}

// LEB128, at most ten bytes.
inline void put_varint(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

inline void put_short_string(std::string& out, std::string_view text) {
  put_varint(out, text.size());
  out.append(text);
}

class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

  template <std::unsigned_integral T>
  T get() {
    T value{};
    const std::string_view raw = take(sizeof value);
    if (!raw.empty()) std::memcpy(&value, raw.data(), sizeof value);
    return value;
  }

  std::uint64_t get_varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = get<std::uint8_t>();
      if (!ok_) return 0;
      if (shift == 63 && byte > 1) break;
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) return value;
    }
    ok_ = false;
    return 0;
  }

  // For what must fit in 32 bits: a larger number fails the reader.
  std::uint32_t get_varint32() {
    const std::uint64_t value = get_varint();
    if (value <= UINT32_MAX) return static_cast<std::uint32_t>(value);
    ok_ = false;
    return 0;
  }

  std::string_view get_string() { return take(get<std::uint32_t>()); }
  std::string_view get_short_string() { return take(get_varint()); }

  std::string_view take(std::uint64_t size) {
    if (!ok_ || size > rest_.size()) {
      ok_ = false;
      return {};
    }
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

  bool ok() const { return ok_; }
  bool at_end() const { return ok_ && rest_.empty(); }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace brevdue
