// Hands one message to an SMTP listener of this machine, as `brevdue sendmail` does. Blocking.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/unique_fd.h"
#include "mail/envelope.h"
#include "smtp/client_session.h"

namespace brevdue::cli {

// A connection to "host:port"; an unspecified host (0.0.0.0, ::) is reached by loopback.
// `unavailable` when nobody listens there.
Result<UniqueFd> connect_to_listener(const std::string& address);

// Sends `content` (CRLF line ends) to all of the envelope's recipients; one result each.
Result<std::vector<smtp::ClientResult>> submit_message(UniqueFd socket, const std::string& hostname,
                                                       const mail::Envelope& envelope,
                                                       std::string_view content);

}  // namespace brevdue::cli
