// The command lines of a client (RFC 5321 4.1.1) with the parameters that the server's extensions
// allow. Pure; each function appends one whole line with CRLF.
//
// The addresses must be sendable(): whoever calls refuses the others, because a control character
// in a command line would be a second command.
#pragma once

#include <string>
#include <string_view>

#include "mail/envelope.h"
#include "smtp/client_capabilities.h"

namespace brevdue::smtp {

// True if the mailbox can stand between angle brackets: no control characters, and no space, "<" or
// ">" outside quotes.
bool sendable(std::string_view mailbox);

// True if the message cannot be relayed without SMTPUTF8 (RFC 6531 3.4). That its header is UTF-8
// is not known; 8-bit content under SMTPUTF8 counts as such.
bool needs_smtputf8(const mail::Envelope& envelope);

// MAIL with SIZE, BODY, SMTPUTF8, RET and ENVID where they are offered and say something.
void append_mail(std::string& out, const mail::Envelope& envelope,
                 const ClientCapabilities& offered);

// RCPT with NOTIFY and ORCPT where DSN is offered.
void append_rcpt(std::string& out, const mail::Recipient& recipient,
                 const ClientCapabilities& offered);

// RFC 3461 4, "xtext".
void append_xtext(std::string& out, std::string_view text);

}  // namespace brevdue::smtp
