// A message as a program hands it to sendmail, made fit for SMTP: CRLF line ends, and the header
// fields that RFC 5322 3.6 demands where they are missing (Date, From, Message-ID).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"

namespace brevdue::cli {

// Line ends of any kind become CRLF; a text without an end of its last line gets one.
std::string with_crlf(std::string_view text);

// The addresses in the fields named (lower case, without colon) of a message with CRLF line ends:
// display names, comments and group names are left out, quoted local parts kept.
std::vector<std::string> addresses_in(std::string_view message,
                                      std::vector<std::string_view> fields);

// The same of an address list.
std::vector<std::string> addresses_of(std::string_view list);

// Without the "From " line in front that a mailbox file has.
std::string_view without_mbox_line(std::string_view message);

// Removes every Bcc field.
std::string without_bcc(std::string_view message);

struct Originator {
  std::string address;
  std::string full_name;
};
// Adds what is missing in front of the header.
std::string with_required_fields(std::string message, const Originator& from,
                                 const std::string& hostname, WallTime now);

}  // namespace brevdue::cli
