// Paths and mailboxes as RFC 5321 4.1.2 writes them in MAIL and RCPT.
//
// A source route is read and dropped (RFC 5321 4.1.1.3, appendix C). A quoted local part that needs
// no quotes loses them, so that one mailbox has one spelling. Characters beyond ASCII are read
// (RFC 6531 3.3) and reported: whether the client may use them depends on a parameter that stands
// behind the path. Pure; nothing here knows which domains exist.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace brevdue::smtp {

enum class PathFault : std::uint8_t {
  syntax,             // not a path
  control_character,  // bytes 0 to 31 and 127, or C1 controls
  too_long,           // over a limit of RFC 5321 4.5.3.1
};

struct Path {
  std::string mailbox;    // "user@example.org", "user" (no domain), or empty for "<>"
  std::size_t bytes = 0;  // of the text that were read, with the ">"
  bool has_domain = false;
  bool utf8 = false;  // some character is beyond ASCII
};

// Reads a path at the start of `text`, which begins with "<".
std::expected<Path, PathFault> parse_path(std::string_view text);

// True if `text` is well-formed UTF-8 (RFC 3629) without C1 control characters.
bool is_utf8(std::string_view text);

inline bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

}  // namespace brevdue::smtp
