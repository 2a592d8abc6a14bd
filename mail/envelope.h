// The envelope of a message (RFC 5321 2.3.1) and its one binary encoding, used on the disk and
// between processes.
//
// Addresses are kept as mailboxes without angle brackets ("user@example.org"); the null
// reverse-path is the empty string. What is written here never changes after the message was
// accepted: what happens to it later is a Settlement. The encoding starts with a version byte;
// integrity is the business of the container (a record's or a frame's CRC). decode() trusts
// nothing: every length is checked and every bound below holds for what it returns.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/error.h"
#include "core/shared_bytes.h"
#include "mail/queue_id.h"

namespace brevdue::mail {

inline constexpr std::size_t recipients_max = 50'000;
inline constexpr std::size_t address_bytes_max = 1024;  // SMTPUTF8 widens the 256 octets of a path.

// RFC 3461 4.1, the NOTIFY parameter. `unset` means FAILURE and, at the MTA's choice, DELAY.
struct DsnNotify {
  static constexpr std::uint8_t unset = 0;
  static constexpr std::uint8_t never = 1;
  static constexpr std::uint8_t success = 2;
  static constexpr std::uint8_t failure = 4;
  static constexpr std::uint8_t delay = 8;
};

enum class DsnReturn : std::uint8_t { unset, full, headers };  // RFC 3461 4.3, RET
enum class BodyType : std::uint8_t { seven_bit, eight_bit };   // RFC 6152, BODY

struct Recipient {
  std::string address;             // forward-path, as accepted
  std::string original_recipient;  // ORCPT as given ("rfc822;user+40example.org"), or empty
  std::uint8_t notify = DsnNotify::unset;

  bool operator==(const Recipient&) const = default;
};

// What smtpd computed while it read the content, once.
struct ContentFacts {
  std::uint64_t size = 0;  // bytes, CRLF line ends, without dot-stuffing
  std::uint32_t crc32c = 0;
  std::uint32_t header_length = 0;  // bytes up to and with the empty line
  std::uint32_t longest_line = 0;   // bytes without its CRLF
  bool eight_bit = false;           // some byte is above 127
  bool staged = false;  // the content lies in the spool's staging directory, not in the store

  bool operator==(const ContentFacts&) const = default;
};

struct Envelope {
  QueueId id;
  WallTime arrival{};
  std::string reverse_path;
  std::string envelope_id;  // ENVID, decoded from xtext, or empty
  DsnReturn dsn_return = DsnReturn::unset;
  BodyType body = BodyType::seven_bit;
  bool smtputf8 = false;
  std::string client_address;  // "192.0.2.1"; empty for mail made here
  std::string client_helo;
  ContentFacts content;
  std::vector<Recipient> recipients;

  bool operator==(const Envelope&) const = default;
};

std::string encode(const Envelope& envelope);
Result<Envelope> decode_envelope(std::string_view bytes);

// The domain of a mailbox, lower case; empty if there is none.
std::string domain_of(std::string_view mailbox);

}  // namespace brevdue::mail
