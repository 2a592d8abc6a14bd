// What a server offers in its reply to EHLO, as far as this client makes use of it: PIPELINING
// (RFC 2920), SIZE (RFC 1870), 8BITMIME (RFC 6152), SMTPUTF8 (RFC 6531), DSN (RFC 3461) and
// ENHANCEDSTATUSCODES (RFC 2034). CHUNKING and the rest are not used. Pure.
#pragma once

#include <cstdint>
#include <string_view>

namespace brevdue::smtp {

struct ClientCapabilities {
  bool pipelining = false;
  bool size = false;
  std::uint64_t size_limit = 0;  // 0: none named
  bool eight_bit_mime = false;
  bool smtputf8 = false;
  bool dsn = false;
  bool enhanced_status_codes = false;

  bool operator==(const ClientCapabilities&) const = default;
};

// `lines` as ServerReply has them: the first is the greeting and names no extension. Keywords are
// not case-sensitive; a SIZE that is no number, or does not fit, names no limit.
ClientCapabilities parse_capabilities(std::string_view lines);

}  // namespace brevdue::smtp
