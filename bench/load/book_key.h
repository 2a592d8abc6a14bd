// The name of one message of a load run, and all that is needed to make its content again.
//
// Printed as RUN-SEQUENCE-SIZE in lower-case hexadecimal ("5f3a9c0b12de-000001a4-1000"): a random
// number of 48 bits for the run, the message's number in it, and the size of its content in bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace brevdue::load {

struct BookKey {
  std::uint64_t run = 0;
  std::uint32_t sequence = 0;
  std::uint64_t size = 0;

  bool operator==(const BookKey&) const = default;
};

std::string to_text(const BookKey& key);

// Nothing but the exact form that to_text prints is a key.
std::optional<BookKey> parse_book_key(std::string_view text);

// A run number that no other run has.
std::uint64_t random_run();

}  // namespace brevdue::load
