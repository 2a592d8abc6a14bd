#include "daemon/notices.h"

#include <utility>

#include <fmt/format.h>

namespace brevdue::daemon {

NoticeWriter::NoticeWriter(mail::QueueIdSource ids, std::string hostname, const Clock& clock)
    : ids_(ids), hostname_(std::move(hostname)), clock_(clock) {}

std::vector<queue::NewMessage> NoticeWriter::write(
    const mail::Envelope& envelope, std::string_view content,
    const std::vector<mail::DsnRecipient>& recipients, WallTime retry_until) {
  mail::DsnRequest request{.original = envelope, .content = content, .hostname = hostname_};
  request.now = clock_.wall();
  request.retry_until = retry_until;
  std::vector<queue::NewMessage> notices;
  for (const mail::Dsn& dsn : mail::make_dsns(request, recipients, ids_)) {
    notices.push_back({dsn.envelope.id, SharedBytes(mail::encode(dsn.envelope)),
                       SharedBytes(dsn.content), dsn.envelope.content.size,
                       static_cast<std::uint32_t>(dsn.envelope.recipients.size()), false});
  }
  return notices;
}

// The log quotes a host as "host NAME said: REPLY (in reply to COMMAND)"; the DSN wants the reply.
static std::string quoted_reply(const std::string& text) {
  constexpr std::string_view said = " said: ";
  const auto start = text.find(said);
  if (start == std::string::npos) return text;
  std::string reply = text.substr(start + said.size());
  const auto end = reply.rfind(" (in reply to ");
  return end == std::string::npos ? reply : reply.substr(0, end);
}

mail::DsnRecipient dsn_recipient(const delivery::RecipientOutcome& outcome, mail::DsnAction action,
                                 WallTime now) {
  mail::DsnRecipient recipient{.recipient = outcome.recipient, .action = action};
  recipient.last_attempt = now;
  if (outcome.remote_reply) {
    recipient.reply = quoted_reply(outcome.reply);
    recipient.remote_mta = outcome.remote;
  } else {
    const std::string enhanced = outcome.enhanced.empty() ? "4.0.0" : outcome.enhanced;
    recipient.reply = fmt::format("{}50 {} {}", enhanced.front(), enhanced, outcome.reply);
  }
  return recipient;
}

}  // namespace brevdue::daemon
