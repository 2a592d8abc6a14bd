#include "smtp/parameters.h"

#include <algorithm>
#include <charconv>

#include "smtp/address.h"
#include "smtp/command_parser.h"
#include "smtp/limits.h"

namespace brevdue::smtp {

namespace {

constexpr std::string_view syntax_error = "501 5.5.4 Syntax error in parameters";
constexpr std::string_view control_error = "501 5.5.2 Control character in parameters";
constexpr std::string_view unknown_parameter = "555 5.5.4 Unsupported option";
constexpr std::string_view duplicate_parameter = "501 5.5.4 Parameter given twice";

using Fault = std::optional<std::string_view>;

struct Parameter {
  std::string_view keyword;
  std::optional<std::string_view> value{};
};

// Calls `take` with each parameter until one is refused.
template <class Take>
Fault for_each_parameter(std::string_view text, Take take) {
  if (std::ranges::any_of(text, is_control)) return control_error;
  if (!text.empty() && text.front() != ' ') return syntax_error;
  while (true) {
    const auto from = text.find_first_not_of(' ');
    if (from == std::string_view::npos) return std::nullopt;
    text.remove_prefix(from);
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(word.size());
    Parameter parameter{.keyword = word.substr(0, word.find('='))};
    if (parameter.keyword.size() < word.size()) {
      parameter.value = word.substr(parameter.keyword.size() + 1);
    }
    if (const Fault fault = take(parameter)) return fault;
  }
}

// Bits of what was seen, to find what is given twice.
class Once {
 public:
  bool first(unsigned index) {
    const bool first = (seen_ >> index & 1u) == 0;
    seen_ |= 1u << index;
    return first;
  }

 private:
  unsigned seen_ = 0;
};

Fault take_size(const Parameter& parameter, MailParameters& into) {
  const std::string_view value = parameter.value.value_or("");
  std::uint64_t size = 0;
  const auto [end, status] = std::from_chars(value.data(), value.data() + value.size(), size);
  // RFC 1870 4: up to 20 digits.
  if (value.empty() || value.size() > 20 || status != std::errc{} ||
      end != value.data() + value.size()) {
    return syntax_error;
  }
  into.size = size;
  return std::nullopt;
}

Fault take_body(const Parameter& parameter, MailParameters& into) {
  const std::string_view value = parameter.value.value_or("");
  if (equal_ignoring_case(value, "8BITMIME")) {
    into.body = mail::BodyType::eight_bit;
  } else if (!equal_ignoring_case(value, "7BIT")) {
    return syntax_error;
  }
  return std::nullopt;
}

Fault take_return(const Parameter& parameter, MailParameters& into) {
  const std::string_view value = parameter.value.value_or("");
  if (equal_ignoring_case(value, "FULL")) {
    into.dsn_return = mail::DsnReturn::full;
  } else if (equal_ignoring_case(value, "HDRS")) {
    into.dsn_return = mail::DsnReturn::headers;
  } else {
    return syntax_error;
  }
  return std::nullopt;
}

Fault take_envelope_id(const Parameter& parameter, MailParameters& into) {
  auto decoded = decode_xtext(parameter.value.value_or(""));
  if (!decoded || decoded->empty() || decoded->size() > envelope_id_bytes_max) return syntax_error;
  into.envelope_id = std::move(*decoded);
  return std::nullopt;
}

Fault take_mail_parameter(const Parameter& parameter, MailParameters& into, Once& once) {
  const auto is = [&](std::string_view keyword) {
    return equal_ignoring_case(parameter.keyword, keyword);
  };
  if (is("SIZE")) return once.first(0) ? take_size(parameter, into) : duplicate_parameter;
  if (is("BODY")) return once.first(1) ? take_body(parameter, into) : duplicate_parameter;
  if (is("RET")) return once.first(2) ? take_return(parameter, into) : duplicate_parameter;
  if (is("ENVID")) return once.first(3) ? take_envelope_id(parameter, into) : duplicate_parameter;
  if (is("SMTPUTF8")) {
    if (!once.first(4)) return duplicate_parameter;
    if (parameter.value) return syntax_error;
    into.smtputf8 = true;
    return std::nullopt;
  }
  return unknown_parameter;
}

Fault take_notify(const Parameter& parameter, RcptParameters& into) {
  std::string_view rest = parameter.value.value_or("");
  if (equal_ignoring_case(rest, "NEVER")) {
    into.notify = mail::DsnNotify::never;
    return std::nullopt;
  }
  while (true) {
    const std::string_view word = rest.substr(0, rest.find(','));
    std::uint8_t bit = 0;
    if (equal_ignoring_case(word, "SUCCESS")) bit = mail::DsnNotify::success;
    if (equal_ignoring_case(word, "FAILURE")) bit = mail::DsnNotify::failure;
    if (equal_ignoring_case(word, "DELAY")) bit = mail::DsnNotify::delay;
    if (bit == 0 || (into.notify & bit) != 0) return syntax_error;
    into.notify |= bit;
    if (word.size() == rest.size()) return std::nullopt;
    rest.remove_prefix(word.size() + 1);
  }
}

// "rfc822;user+40example.org": a type, and the address in xtext; or, in UTF-8, as RFC 6533 3 has
// it, where a backslash and braces stand for what cannot be written.
Fault take_original_recipient(const Parameter& parameter, RcptParameters& into) {
  const std::string_view value = parameter.value.value_or("");
  const auto semicolon = value.find(';');
  if (semicolon == std::string_view::npos || semicolon == 0) return syntax_error;
  const std::string_view type = value.substr(0, semicolon);
  const std::string_view address = value.substr(semicolon + 1);
  const auto is_type_character = [](char c) {
    return c == '-' || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
  };
  if (address.empty() || value.size() > original_recipient_max ||
      !std::ranges::all_of(type, is_type_character)) {
    return syntax_error;
  }
  const bool well_formed =
      equal_ignoring_case(type, "utf-8") ? is_utf8(address) : decode_xtext(address).has_value();
  if (!well_formed) return syntax_error;
  into.original_recipient = value;
  return std::nullopt;
}

Fault take_rcpt_parameter(const Parameter& parameter, RcptParameters& into, Once& once) {
  if (equal_ignoring_case(parameter.keyword, "NOTIFY")) {
    return once.first(0) ? take_notify(parameter, into) : duplicate_parameter;
  }
  if (equal_ignoring_case(parameter.keyword, "ORCPT")) {
    return once.first(1) ? take_original_recipient(parameter, into) : duplicate_parameter;
  }
  return unknown_parameter;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::expected<MailParameters, std::string_view> parse_mail_parameters(std::string_view text) {
  MailParameters parameters;
  Once once;
  const Fault fault = for_each_parameter(
      text, [&](const Parameter& one) { return take_mail_parameter(one, parameters, once); });
  if (fault) return std::unexpected(*fault);
  return parameters;
}

std::expected<RcptParameters, std::string_view> parse_rcpt_parameters(std::string_view text) {
  RcptParameters parameters;
  Once once;
  const Fault fault = for_each_parameter(
      text, [&](const Parameter& one) { return take_rcpt_parameter(one, parameters, once); });
  if (fault) return std::unexpected(*fault);
  return parameters;
}

std::optional<std::string> decode_xtext(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c < '!' || c > '~' || c == '=') return std::nullopt;
    if (c == '+') {
      if (text.size() - i < 3) return std::nullopt;
      const int high = hex_digit(text[i + 1]);
      const int low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      c = static_cast<char>(high << 4 | low);
      if (c < ' ' || c > '~') return std::nullopt;
      i += 2;
    }
    decoded.push_back(c);
  }
  return decoded;
}

}  // namespace brevdue::smtp
