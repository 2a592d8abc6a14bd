// The sizes and waits of an SMTP server in one place (RFC 5321 4.5.3). Sizes are octets; those of
// lines count the CRLF. The waits are settings; their defaults are the RFC's minimum.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace brevdue::smtp {

inline constexpr std::size_t local_part_bytes_max = 64;     // 4.5.3.1.1
inline constexpr std::size_t domain_bytes_max = 255;        // 4.5.3.1.2
inline constexpr std::size_t label_bytes_max = 63;          // RFC 1035 2.3.4
inline constexpr std::size_t path_bytes_max = 256;          // 4.5.3.1.3
inline constexpr std::size_t command_line_bytes_max = 512;  // 4.5.3.1.4
inline constexpr std::size_t reply_line_bytes_max = 512;    // 4.5.3.1.5
inline constexpr std::size_t recipients_floor = 100;        // 4.5.3.1.8
inline constexpr std::size_t envelope_id_bytes_max = 100;   // RFC 3461 4.4
inline constexpr std::size_t original_recipient_max = 500;  // RFC 3461 4.2

// MAIL and RCPT grow by what the extensions add: SIZE 26, BODY 17, RET 9, ENVID 107, NOTIFY 28,
// ORCPT 507 (RFC 1870, 6152, 3461), and octets for characters with SMTPUTF8 (RFC 6531 3.4).
inline constexpr std::size_t extended_command_line_bytes_max = 2048;

// In UTF-8 an address of as many characters takes up to four times the octets; the whole of it
// stays within mail::address_bytes_max.
inline constexpr std::size_t utf8_local_part_bytes_max = 256;
inline constexpr std::size_t utf8_domain_bytes_max = 510;

// Content up to this size, with the Received field, travels in one piece; more is staged.
inline constexpr std::size_t small_content_bytes_max = std::size_t{128} * 1024;
inline constexpr std::size_t staged_chunk_bytes = std::size_t{64} * 1024;
// What one message's content may take of the process's memory, whatever its size: small content
// lies in it whole, staged content passes through it, a chunk at a time.
inline constexpr std::size_t content_memory_max = small_content_bytes_max;

// A message that carries this many Received fields is in a loop (6.3).
inline constexpr unsigned received_fields_max = 100;

struct ServerDeadlines {
  std::chrono::seconds command{300};             // 4.5.3.2.7: for the next whole command line
  std::chrono::seconds content{300};             // for content, and more as it comes in:
  std::uint64_t content_bytes_per_second = 500;  // a client slower than this is cut off
  std::chrono::seconds room{5};                  // for room in the queue, then 452 in place of 354
  std::chrono::seconds reply{300};               // for a client to take our replies
};

}  // namespace brevdue::smtp
