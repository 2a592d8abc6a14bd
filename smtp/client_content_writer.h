// Turns content at rest (CRLF line ends, no dot-stuffing) into what follows 354, without copying
// it: each block becomes pieces of itself, with an added dot between them where a line starts with
// one (RFC 5321 4.5.2).
//
// Content may not hold a bare CR, a bare LF or a NUL (2.3.8; RFC 5322 4.1): what does is refused
// before the offending byte is handed out, so that no server can take a part of it for an end of
// data. Lines over 998 octets are passed on as they are. Blocks may be cut anywhere. Pure. The
// pieces view the block and constants; the CRC32C of all that was added is kept on the way.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace brevdue::smtp {

class ClientContentWriter {
 public:
  using Pieces = std::vector<std::string_view>;

  // Appends what is to be written for `block`. False: the content is not fit for SMTP, and nothing
  // more may be written; what was appended must be dropped.
  [[nodiscard]] bool add(std::string_view block, Pieces& pieces);
  // Appends the final dot, after a CRLF if the content did not end in one. False as above.
  [[nodiscard]] bool finish(Pieces& pieces);

  std::uint32_t crc32c() const { return crc32c_; }
  std::uint64_t size() const { return size_; }

 private:
  enum class Place : std::uint8_t { line_start, in_line, after_cr };

  Place place_ = Place::line_start;
  std::uint32_t crc32c_ = 0;
  std::uint64_t size_ = 0;
};

}  // namespace brevdue::smtp
