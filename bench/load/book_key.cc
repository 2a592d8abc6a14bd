#include "bench/load/book_key.h"

#include <charconv>
#include <random>

#include <fmt/format.h>

namespace brevdue::load {

namespace {

template <class T>
bool parse_hex(std::string_view text, T& value) {
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value, 16);
  return result.ec == std::errc() && result.ptr == end;
}

}  // namespace

std::string to_text(const BookKey& key) {
  return fmt::format("{:012x}-{:08x}-{:x}", key.run, key.sequence, key.size);
}

std::optional<BookKey> parse_book_key(std::string_view text) {
  if (text.size() < 23 || text[12] != '-' || text[21] != '-') return std::nullopt;
  BookKey key;
  if (!parse_hex(text.substr(0, 12), key.run) || !parse_hex(text.substr(13, 8), key.sequence) ||
      !parse_hex(text.substr(22), key.size)) {
    return std::nullopt;
  }
  if (to_text(key) != text) return std::nullopt;
  return key;
}

std::uint64_t random_run() {
  std::random_device device;
  return ((std::uint64_t{device()} << 32) | device()) & 0xffff'ffff'ffffU;
}

}  // namespace brevdue::load
