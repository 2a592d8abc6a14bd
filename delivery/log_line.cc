#include "delivery/log_line.h"

#include <fmt/format.h>

#include "smtp/parameters.h"

namespace brevdue::delivery {

static void append_delay(std::string& out, std::chrono::microseconds delay) {
  const std::int64_t us = std::max<std::int64_t>(0, delay.count());
  if (us >= 9'950'000) {
    fmt::format_to(std::back_inserter(out), "{}", (us + 500'000) / 1'000'000);
    return;
  }
  const std::int64_t hundredths =
      us >= 995'000 ? (us + 50'000) / 100'000 * 10 : (us + 5'000) / 10'000;
  fmt::format_to(std::back_inserter(out), "{}", hundredths / 100);
  if (hundredths % 100 == 0) return;
  if (hundredths % 10 == 0) {
    fmt::format_to(std::back_inserter(out), ".{}", hundredths % 100 / 10);
  } else {
    fmt::format_to(std::back_inserter(out), ".{:02}", hundredths % 100);
  }
}

std::string delay_text(std::chrono::microseconds delay) {
  std::string out;
  append_delay(out, delay);
  return out;
}

static std::string_view status_word(mail::RecipientStatus status) {
  switch (status) {
    case mail::RecipientStatus::relayed:
      return "sent";
    case mail::RecipientStatus::failed:
      return "bounced";
    case mail::RecipientStatus::pending:
    case mail::RecipientStatus::deferred:
      break;
  }
  return "deferred";
}

// ORCPT of type rfc822, where it names another mailbox than the one relayed to.
static std::string original_of(const mail::Recipient& recipient) {
  const std::string_view text = recipient.original_recipient;
  const std::size_t mark = text.find(';');
  if (mark == std::string_view::npos) return {};
  const auto decoded = smtp::decode_xtext(text.substr(mark + 1));
  if (!decoded || *decoded == recipient.address) return {};
  return *decoded;
}

std::string log_line(mail::QueueId id, const mail::Recipient& recipient,
                     const RecipientOutcome& outcome, const AttemptFacts& facts) {
  std::string line = id.text();
  line.reserve(192 + recipient.address.size() + outcome.reply.size());
  line.append(": to=<").append(recipient.address).append(">");
  if (!recipient.original_recipient.empty()) {
    const std::string original = original_of(recipient);
    if (!original.empty()) line.append(", orig_to=<").append(original).append(">");
  }
  line.append(", relay=").append(facts.relay.empty() ? "none" : facts.relay);
  if (facts.conn_use > 1) {
    line.append(", conn_use=").append(fmt::format_int(facts.conn_use).c_str());
  }
  line.append(", delay=");
  append_delay(line, facts.delays.total());
  line.append(", delays=");
  append_delay(line, facts.delays.before_qmgr);
  line.push_back('/');
  append_delay(line, facts.delays.in_qmgr);
  line.push_back('/');
  append_delay(line, facts.delays.connection);
  line.push_back('/');
  append_delay(line, facts.delays.transmission);
  line.append(", dsn=").append(outcome.enhanced);
  line.append(", status=").append(status_word(outcome.status));
  line.append(" (").append(outcome.reply).append(")");
  return line;
}

}  // namespace brevdue::delivery
