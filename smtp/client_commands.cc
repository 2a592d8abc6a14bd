#include "smtp/client_commands.h"

#include <algorithm>

#include <fmt/format.h>

namespace brevdue::smtp {

static bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

bool sendable(std::string_view mailbox) {
  bool quoted = false;
  for (std::size_t i = 0; i < mailbox.size(); ++i) {
    const char c = mailbox[i];
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) return false;
    if (c == '"') {
      quoted = !quoted;
    } else if (quoted && c == '\\') {
      if (++i == mailbox.size()) return false;
      const auto next = static_cast<unsigned char>(mailbox[i]);
      if (next < 0x20 || next == 0x7f) return false;
    } else if (!quoted && (c == ' ' || c == '<' || c == '>')) {
      return false;
    }
  }
  return !quoted;
}

bool needs_smtputf8(const mail::Envelope& envelope) {
  if (!is_ascii(envelope.reverse_path)) return true;
  const auto is_utf8 = [](const mail::Recipient& one) { return !is_ascii(one.address); };
  if (std::any_of(envelope.recipients.begin(), envelope.recipients.end(), is_utf8)) return true;
  return envelope.smtputf8 && envelope.content.eight_bit;
}

void append_xtext(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (c > 0x20 && c < 0x7f && c != '+' && c != '=') {
      out.push_back(c);
    } else {
      fmt::format_to(std::back_inserter(out), "+{:02X}", static_cast<unsigned char>(c));
    }
  }
}

void append_mail(std::string& out, const mail::Envelope& envelope,
                 const ClientCapabilities& offered) {
  out.append("MAIL FROM:<").append(envelope.reverse_path).push_back('>');
  if (offered.size) {
    out.append(" SIZE=").append(fmt::format_int(envelope.content.size).c_str());
  }
  if (offered.eight_bit_mime && envelope.content.eight_bit) out.append(" BODY=8BITMIME");
  if (offered.smtputf8 && needs_smtputf8(envelope)) out.append(" SMTPUTF8");
  if (offered.dsn) {
    if (envelope.dsn_return == mail::DsnReturn::full) out.append(" RET=FULL");
    if (envelope.dsn_return == mail::DsnReturn::headers) out.append(" RET=HDRS");
    if (!envelope.envelope_id.empty()) {
      out.append(" ENVID=");
      append_xtext(out, envelope.envelope_id);
    }
  }
  out.append("\r\n");
}

static void append_notify(std::string& out, std::uint8_t notify) {
  using mail::DsnNotify;
  if (notify == DsnNotify::unset) return;
  out.append(" NOTIFY=");
  if ((notify & DsnNotify::never) != 0) {
    out.append("NEVER");
    return;
  }
  if ((notify & DsnNotify::success) != 0) out.append("SUCCESS,");
  if ((notify & DsnNotify::failure) != 0) out.append("FAILURE,");
  if ((notify & DsnNotify::delay) != 0) out.append("DELAY,");
  out.pop_back();
}

// ORCPT was kept as the client gave it, in xtext already.
static bool is_parameter_value(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](char c) { return c > 0x20 && c < 0x7f && c != '='; });
}

void append_rcpt(std::string& out, const mail::Recipient& recipient,
                 const ClientCapabilities& offered) {
  out.append("RCPT TO:<").append(recipient.address).push_back('>');
  if (offered.dsn) {
    append_notify(out, recipient.notify & 0x0f);
    if (is_parameter_value(recipient.original_recipient)) {
      out.append(" ORCPT=").append(recipient.original_recipient);
    }
  }
  out.append("\r\n");
}

}  // namespace brevdue::smtp
