// Splits a command line (without its CRLF) into verb and argument (RFC 5321 4.1.1). The argument is
// a view into the line, without the spaces around it. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace brevdue::smtp {

// In the order in which the disconnect line counts them.
enum class Verb : std::uint8_t {
  helo,
  ehlo,
  mail,
  rcpt,
  data,
  rset,
  noop,
  vrfy,
  help,
  expn,
  quit,
  unimplemented,  // known to SMTP, not offered here: 502
  unknown,        // 500
  foreign,        // another protocol's first line: the connection ends
};
inline constexpr std::size_t verb_count = 14;

struct Command {
  Verb verb = Verb::unknown;
  std::string_view word;  // as the client wrote it
  std::string_view argument;
};

Command parse_command(std::string_view line);

// "MAIL" and so on; "UNKNOWN" for what is none of ours.
std::string_view name_of(Verb verb);

// What follows "FROM:" or "TO:" (any case, spaces after the colon allowed as every server does);
// nothing if the argument does not begin so.
std::optional<std::string_view> after_keyword(std::string_view argument, std::string_view keyword);

bool equal_ignoring_case(std::string_view a, std::string_view b);

}  // namespace brevdue::smtp
