#include "mail/settlement.h"

#include <algorithm>

#include "core/bytes.h"

namespace brevdue::mail {

static constexpr std::uint8_t version = 1;
static constexpr std::uint8_t flag_held = 1;
static constexpr std::uint8_t flag_delay_notified = 2;

static bool final(RecipientStatus status) {
  return status == RecipientStatus::relayed || status == RecipientStatus::failed;
}

void DeliveryState::apply(const Settlement& settlement) {
  if (settlement.sequence <= sequence && sequence != 0) return;
  sequence = settlement.sequence;
  attempts = settlement.attempts;
  suspect = settlement.suspect;
  next_attempt = settlement.next_attempt;
  held = settlement.held;
  delay_notified = settlement.delay_notified;
  for (const RecipientResult& result : settlement.results) {
    const auto at =
        std::ranges::lower_bound(results, result.recipient, {}, &RecipientResult::recipient);
    if (at == results.end() || at->recipient != result.recipient) {
      results.insert(at, result);
    } else if (!final(at->status)) {
      *at = result;
    }
  }
}

RecipientStatus DeliveryState::status_of(std::uint32_t recipient) const {
  const auto at = std::ranges::lower_bound(results, recipient, {}, &RecipientResult::recipient);
  if (at == results.end() || at->recipient != recipient) return RecipientStatus::pending;
  return at->status;
}

std::size_t DeliveryState::open_recipients(std::size_t recipient_count) const {
  const auto closed = static_cast<std::size_t>(std::ranges::count_if(
      results, [](const RecipientResult& result) { return final(result.status); }));
  return recipient_count - std::min(recipient_count, closed);
}

std::string encode(const Settlement& settlement) {
  std::string out;
  put(out, version);
  put_varint(out, settlement.sequence);
  put_varint(out, settlement.attempts);
  put_varint(out, settlement.suspect);
  put(out, static_cast<std::uint64_t>(settlement.next_attempt.time_since_epoch().count()));
  std::uint8_t flags = 0;
  if (settlement.held) flags |= flag_held;
  if (settlement.delay_notified) flags |= flag_delay_notified;
  put(out, flags);
  put_varint(out, settlement.results.size());
  for (const RecipientResult& result : settlement.results) {
    put_varint(out, result.recipient);
    put(out, static_cast<std::uint8_t>(result.status));
    put_short_string(out, std::string_view(result.reply).substr(0, reply_bytes_max));
  }
  return out;
}

Result<Settlement> decode_settlement(std::string_view bytes) {
  ByteReader in(bytes);
  if (in.get<std::uint8_t>() != version) {
    return fail(ErrorCode::corrupt, "settlement of an unknown version");
  }
  Settlement settlement;
  settlement.sequence = in.get_varint32();
  settlement.attempts = in.get_varint32();
  settlement.suspect = in.get_varint32();
  settlement.next_attempt =
      WallTime(std::chrono::microseconds(static_cast<std::int64_t>(in.get<std::uint64_t>())));
  const auto flags = in.get<std::uint8_t>();
  if (flags > (flag_held | flag_delay_notified)) {
    return fail(ErrorCode::corrupt, "settlement with unknown flags");
  }
  settlement.held = (flags & flag_held) != 0;
  settlement.delay_notified = (flags & flag_delay_notified) != 0;
  const std::uint64_t count = in.get_varint();
  if (!in.ok() || count > recipients_max || count > in.rest().size() / 3) {
    return fail(ErrorCode::corrupt, "settlement cut short");
  }
  settlement.results.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    RecipientResult result{};
    const std::uint64_t recipient = in.get_varint();
    const auto status = in.get<std::uint8_t>();
    result.reply = in.get_short_string();
    if (!in.ok() || recipient >= recipients_max || result.reply.size() > reply_bytes_max ||
        status > static_cast<std::uint8_t>(RecipientStatus::failed)) {
      return fail(ErrorCode::corrupt, "settlement with a bad result");
    }
    result.recipient = static_cast<std::uint32_t>(recipient);
    result.status = static_cast<RecipientStatus>(status);
    settlement.results.push_back(std::move(result));
  }
  if (!in.at_end()) return fail(ErrorCode::corrupt, "settlement cut short or too long");
  return settlement;
}

Settlement as_settlement(const DeliveryState& state) {
  Settlement whole;
  whole.sequence = state.sequence;
  whole.attempts = state.attempts;
  whole.suspect = state.suspect;
  whole.next_attempt = state.next_attempt;
  whole.held = state.held;
  whole.delay_notified = state.delay_notified;
  whole.results = state.results;
  return whole;
}

}  // namespace brevdue::mail
