// The content of a load message, made from its key alone, so that a sink that knows only the key
// can tell whether a single byte has changed.
//
// A header (X-Book with the key first, X-Book-Hash with the CRC32C of the body) and a body of slots
// of 78 bytes, each made from the key and its own number: 7-bit text with lines that begin with a
// dot, lines that are a dot and empty lines; every line ends with CRLF. Not dot-stuffed. The size
// is exactly the key's, which must be at least minimum_content_size.
#pragma once

#include <cstdint>
#include <string>

#include "bench/load/book_key.h"

namespace brevdue::load {

inline constexpr std::uint64_t minimum_content_size = 400;

class Content {
 public:
  explicit Content(const BookKey& key);

  const std::string& header() const { return header_; }
  std::uint64_t slots() const { return slots_; }
  // Slots hold whole lines: 78 bytes each, the last up to 155.
  void append_slot(std::string& out, std::uint64_t slot) const;
  // CRC32C of header and body.
  std::uint32_t crc() const { return crc_; }

 private:
  std::uint64_t seed_;
  std::uint64_t body_size_;
  std::uint64_t slots_;
  std::uint32_t crc_;
  std::string header_;
};

}  // namespace brevdue::load
