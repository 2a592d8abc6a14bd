// The Received field that this server puts in front of what it accepts (RFC 5321 4.4). Pure.
#pragma once

#include <string>
#include <string_view>

#include "core/clock.h"
#include "mail/queue_id.h"

namespace brevdue::smtp {

struct ReceivedHeader {
  std::string_view helo;            // as the client gave it
  std::string_view client_literal;  // "192.0.2.1" or "IPv6:2001:db8::1"
  std::string_view hostname;        // ours
  std::string_view protocol;        // SMTP, ESMTP or UTF8SMTP (RFC 3848, RFC 6531 4.3)
  mail::QueueId id;
  // The only recipient; empty if there are several, since none may learn of another.
  std::string_view recipient;
  WallTime arrival;

  // Folded lines, each with its CRLF. What a client may write in HELO but no header may hold bare
  // becomes "?".
  std::string text() const;
};

// HELO's argument as it may stand in a header or a log line.
std::string neutral(std::string_view helo);

}  // namespace brevdue::smtp
