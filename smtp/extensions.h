// What this server offers in its reply to EHLO (RFC 5321 4.1.1.1), as whole lines with CRLF. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace brevdue::smtp {

// "250-mx.example.org" to "250 SMTPUTF8". A size limit of 0 is offered as "no fixed maximum"
// (RFC 1870 4).
std::string ehlo_reply(std::string_view hostname, std::uint64_t size_limit);

}  // namespace brevdue::smtp
