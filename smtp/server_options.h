// The settings of an SMTP server session. Plain values, fixed for the life of the process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "smtp/limits.h"
#include "smtp/networks.h"

namespace brevdue::smtp {

struct ServerOptions {
  std::string hostname = "localhost";
  std::string banner = "ESMTP Brevdue";   // after the host name in 220
  Networks mynetworks;                    // who may relay
  std::uint64_t size_limit = 52'428'800;  // bytes of one message; 0: no limit
  std::size_t recipients_max = 1000;      // of one message; at least recipients_floor
  unsigned errors_max = 20;               // 5xx replies of a session, then 421
  // Commands that bring no mail forward (NOOP, RSET, VRFY, HELP, EHLO, HELO) between two messages;
  // each beyond counts as an error. Likewise recipients beyond recipients_max.
  unsigned junk_commands_max = 100;
  unsigned recipient_overshoot_max = 1000;
  ServerDeadlines deadlines;
};

}  // namespace brevdue::smtp
