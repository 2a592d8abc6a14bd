#include "smtp/client_capabilities.h"

#include <charconv>

namespace brevdue::smtp {

static bool equals_ignoring_case(std::string_view word, std::string_view upper) {
  if (word.size() != upper.size()) return false;
  for (std::size_t i = 0; i < word.size(); ++i) {
    const char c = word[i] >= 'a' && word[i] <= 'z' ? static_cast<char>(word[i] - 32) : word[i];
    if (c != upper[i]) return false;
  }
  return true;
}

static void note_capability(std::string_view line, ClientCapabilities& offered) {
  const std::size_t space = line.find(' ');
  const std::string_view keyword = line.substr(0, space);
  if (equals_ignoring_case(keyword, "PIPELINING")) {
    offered.pipelining = true;
  } else if (equals_ignoring_case(keyword, "8BITMIME")) {
    offered.eight_bit_mime = true;
  } else if (equals_ignoring_case(keyword, "SMTPUTF8")) {
    offered.smtputf8 = true;
  } else if (equals_ignoring_case(keyword, "DSN")) {
    offered.dsn = true;
  } else if (equals_ignoring_case(keyword, "ENHANCEDSTATUSCODES")) {
    offered.enhanced_status_codes = true;
  } else if (equals_ignoring_case(keyword, "SIZE")) {
    offered.size = true;
    if (space == std::string_view::npos) return;
    const std::string_view number = line.substr(space + 1);
    std::uint64_t limit = 0;
    const auto parsed = std::from_chars(number.data(), number.data() + number.size(), limit);
    if (parsed.ec == std::errc{} && parsed.ptr == number.data() + number.size()) {
      offered.size_limit = limit;
    }
  }
}

ClientCapabilities parse_capabilities(std::string_view lines) {
  ClientCapabilities offered;
  bool greeting = true;
  while (!lines.empty()) {
    const std::size_t end = lines.find('\n');
    if (!greeting) note_capability(lines.substr(0, end), offered);
    greeting = false;
    if (end == std::string_view::npos) break;
    lines.remove_prefix(end + 1);
  }
  return offered;
}

}  // namespace brevdue::smtp
