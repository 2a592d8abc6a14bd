// Compares what a sink receives, piece by piece, with what the key in its X-Book header says it
// must be. Holds at most one header line and one slot; contents of any size cost the same.
//
// Everything above the X-Book field is what relays put on top and is not compared; from that field
// on every byte must be as it was sent.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "bench/load/book_key.h"
#include "bench/load/content.h"

namespace brevdue::load {

enum class Verdict {
  whole,    // Every byte is as it was sent.
  altered,  // It has a key, but something differs.
  foreign,  // No X-Book field in its header: not a message of ours (a DSN, for example).
};

class ContentVerifier {
 public:
  // The content without dot-stuffing, in pieces of any size.
  void feed(std::string_view piece);
  // To be called once, when all is fed.
  Verdict finish();

  const std::optional<BookKey>& key() const { return key_; }
  // CRC32C from the X-Book field on.
  std::uint32_t crc() const { return crc_; }
  std::uint64_t size() const { return size_; }
  unsigned received_fields() const { return received_fields_; }
  // Bytes from the X-Book field to the first difference; meaningful after finish said altered.
  std::uint64_t difference() const { return matched_; }

 private:
  enum class Phase { above, comparing, differing, foreign };

  void take_header_line();
  void compare(std::string_view piece);

  Phase phase_ = Phase::above;
  std::string line_;
  std::optional<BookKey> key_;
  std::optional<Content> content_;
  std::string expected_;
  std::uint64_t next_slot_ = 0;
  std::size_t expected_at_ = 0;
  std::uint64_t matched_ = 0;
  std::uint64_t size_ = 0;
  std::uint32_t crc_ = 0;
  unsigned received_fields_ = 0;
};

}  // namespace brevdue::load
