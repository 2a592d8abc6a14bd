// The parameters behind the path of MAIL and RCPT: SIZE (RFC 1870), BODY (RFC 6152), SMTPUTF8
// (RFC 6531), RET, ENVID, NOTIFY and ORCPT (RFC 3461). Pure.
//
// Each may appear once. A fault is a reply's code, enhanced code and text, ready to be sent.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "mail/envelope.h"

namespace brevdue::smtp {

struct MailParameters {
  std::optional<std::uint64_t> size;
  mail::BodyType body = mail::BodyType::seven_bit;
  bool smtputf8 = false;
  mail::DsnReturn dsn_return = mail::DsnReturn::unset;
  std::string envelope_id;  // decoded from xtext
};

struct RcptParameters {
  std::uint8_t notify = mail::DsnNotify::unset;
  std::string original_recipient;  // as given, with its type
};

// `text` is what follows the path: empty, or a space and the parameters.
std::expected<MailParameters, std::string_view> parse_mail_parameters(std::string_view text);
std::expected<RcptParameters, std::string_view> parse_rcpt_parameters(std::string_view text);

// RFC 3461 4, "xtext"; nothing unless it is well-formed and holds printable ASCII and spaces only.
std::optional<std::string> decode_xtext(std::string_view text);

}  // namespace brevdue::smtp
