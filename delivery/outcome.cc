#include "delivery/outcome.h"

#include "core/bytes.h"
#include "mail/envelope.h"

namespace brevdue::delivery {

std::string encode(const Outcome& outcome) {
  std::string out;
  put(out, outcome.attempt);
  put(out, static_cast<std::uint8_t>((outcome.destination_failed ? 1 : 0) |
                                     (outcome.content_corrupt ? 2 : 0)));
  put_varint(out, outcome.recipients.size());
  for (const RecipientOutcome& one : outcome.recipients) {
    put_varint(out, one.recipient);
    put(out, static_cast<std::uint8_t>(one.status));
    put(out, static_cast<std::uint8_t>((one.remote_reply ? 1 : 0) | (one.dsn_relayed ? 2 : 0)));
    put_short_string(out, one.enhanced);
    put_short_string(out, std::string_view(one.reply).substr(0, mail::reply_bytes_max));
    put_short_string(out, one.remote);
  }
  return out;
}

Result<Outcome> decode_outcome(std::string_view payload) {
  ByteReader in(payload);
  Outcome outcome;
  outcome.attempt = in.get<std::uint64_t>();
  const auto flags = in.get<std::uint8_t>();
  outcome.destination_failed = (flags & 1) != 0;
  outcome.content_corrupt = (flags & 2) != 0;
  const std::uint64_t count = in.get_varint();
  if (!in.ok() || count > mail::recipients_max || count > in.rest().size()) {
    return fail(ErrorCode::protocol, "malformed outcome");
  }
  outcome.recipients.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    RecipientOutcome one;
    const std::uint64_t recipient = in.get_varint();
    const auto status = in.get<std::uint8_t>();
    const auto marks = in.get<std::uint8_t>();
    one.enhanced = in.get_short_string();
    one.reply = in.get_short_string();
    one.remote = in.get_short_string();
    const bool known = status == static_cast<std::uint8_t>(mail::RecipientStatus::relayed) ||
                       status == static_cast<std::uint8_t>(mail::RecipientStatus::deferred) ||
                       status == static_cast<std::uint8_t>(mail::RecipientStatus::failed);
    if (!in.ok() || !known || recipient >= mail::recipients_max ||
        one.reply.size() > mail::reply_bytes_max) {
      return fail(ErrorCode::protocol, "malformed outcome");
    }
    one.recipient = static_cast<std::uint32_t>(recipient);
    one.status = static_cast<mail::RecipientStatus>(status);
    one.remote_reply = (marks & 1) != 0;
    one.dsn_relayed = (marks & 2) != 0;
    outcome.recipients.push_back(std::move(one));
  }
  if (!in.at_end()) return fail(ErrorCode::protocol, "malformed outcome");
  return outcome;
}

}  // namespace brevdue::delivery
