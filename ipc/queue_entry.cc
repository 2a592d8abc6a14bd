#include "ipc/queue_entry.h"

#include "core/bytes.h"

namespace brevdue::ipc {

std::string_view QueueEntry::queue_name() const {
  if (held) return "hold";
  if (active) return "active";
  return attempts > 0 ? "deferred" : "incoming";
}

QueueEntry make_queue_entry(const mail::Envelope& envelope, const mail::DeliveryState& state,
                            bool active) {
  QueueEntry entry;
  entry.id = envelope.id;
  entry.arrival = envelope.arrival;
  entry.size = envelope.content.size;
  entry.reverse_path = envelope.reverse_path;
  entry.active = active;
  entry.held = state.held;
  entry.attempts = state.attempts;
  entry.next_attempt = state.next_attempt;
  auto result = state.results.begin();
  for (std::uint32_t i = 0; i < envelope.recipients.size(); ++i) {
    while (result != state.results.end() && result->recipient < i) ++result;
    QueueEntryRecipient recipient{envelope.recipients[i].address,
                                  envelope.recipients[i].original_recipient,
                                  mail::RecipientStatus::pending,
                                  {}};
    if (result != state.results.end() && result->recipient == i) {
      recipient.status = result->status;
      recipient.reason = result->reply;
    }
    if (recipient.status == mail::RecipientStatus::relayed ||
        recipient.status == mail::RecipientStatus::failed) {
      continue;
    }
    entry.recipients.push_back(std::move(recipient));
  }
  return entry;
}

std::string encode(const QueueEntry& entry) {
  std::string out;
  put(out, entry.id.value());
  put(out, static_cast<std::uint64_t>(entry.arrival.time_since_epoch().count()));
  put_varint(out, entry.size);
  put_short_string(out, entry.reverse_path);
  put(out, static_cast<std::uint8_t>((entry.active ? 1 : 0) | (entry.held ? 2 : 0)));
  put_varint(out, entry.attempts);
  put(out, static_cast<std::uint64_t>(entry.next_attempt.time_since_epoch().count()));
  put_varint(out, entry.recipients.size());
  for (const QueueEntryRecipient& recipient : entry.recipients) {
    put_short_string(out, recipient.address);
    put_short_string(out, recipient.original_recipient);
    put(out, static_cast<std::uint8_t>(recipient.status));
    put_short_string(out, recipient.reason);
  }
  return out;
}

static WallTime get_time(ByteReader& in) {
  return WallTime(std::chrono::microseconds(static_cast<std::int64_t>(in.get<std::uint64_t>())));
}

Result<QueueEntry> decode_queue_entry(std::string_view payload) {
  ByteReader in(payload);
  QueueEntry entry;
  entry.id = mail::QueueId(in.get<std::uint64_t>());
  entry.arrival = get_time(in);
  entry.size = in.get_varint();
  entry.reverse_path = in.get_short_string();
  const auto flags = in.get<std::uint8_t>();
  entry.active = (flags & 1) != 0;
  entry.held = (flags & 2) != 0;
  entry.attempts = in.get_varint32();
  entry.next_attempt = get_time(in);
  const std::uint64_t count = in.get_varint();
  if (count > mail::recipients_max) return fail(ErrorCode::protocol, "malformed queue entry");
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    QueueEntryRecipient recipient;
    recipient.address = in.get_short_string();
    recipient.original_recipient = in.get_short_string();
    const auto status = in.get<std::uint8_t>();
    if (status > static_cast<std::uint8_t>(mail::RecipientStatus::failed)) {
      return fail(ErrorCode::protocol, "malformed queue entry");
    }
    recipient.status = static_cast<mail::RecipientStatus>(status);
    recipient.reason = in.get_short_string();
    entry.recipients.push_back(std::move(recipient));
  }
  if (!in.at_end()) return fail(ErrorCode::protocol, "malformed queue entry");
  return entry;
}

}  // namespace brevdue::ipc
