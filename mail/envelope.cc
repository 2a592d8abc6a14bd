#include "mail/envelope.h"

#include "core/bytes.h"

namespace brevdue::mail {

static constexpr std::uint8_t version = 1;

namespace {
constexpr std::uint8_t flag_eight_bit_body = 1;
constexpr std::uint8_t flag_smtputf8 = 2;
constexpr std::uint8_t flag_eight_bit_content = 4;
constexpr std::uint8_t flag_staged = 8;
constexpr std::uint8_t flags_known = 15;
constexpr std::uint8_t notify_known =
    DsnNotify::never | DsnNotify::success | DsnNotify::failure | DsnNotify::delay;
}  // namespace

std::string encode(const Envelope& envelope) {
  std::string out;
  out.reserve(96 + envelope.reverse_path.size() + envelope.recipients.size() * 48);
  put(out, version);
  put(out, envelope.id.value());
  put(out, static_cast<std::uint64_t>(envelope.arrival.time_since_epoch().count()));
  std::uint8_t flags = 0;
  if (envelope.body == BodyType::eight_bit) flags |= flag_eight_bit_body;
  if (envelope.smtputf8) flags |= flag_smtputf8;
  if (envelope.content.eight_bit) flags |= flag_eight_bit_content;
  if (envelope.content.staged) flags |= flag_staged;
  put(out, flags);
  put(out, static_cast<std::uint8_t>(envelope.dsn_return));
  put_varint(out, envelope.content.size);
  put(out, envelope.content.crc32c);
  put_varint(out, envelope.content.header_length);
  put_varint(out, envelope.content.longest_line);
  put_short_string(out, envelope.reverse_path);
  put_short_string(out, envelope.envelope_id);
  put_short_string(out, envelope.client_address);
  put_short_string(out, envelope.client_helo);
  put_varint(out, envelope.recipients.size());
  for (const Recipient& recipient : envelope.recipients) {
    put(out, recipient.notify);
    put_short_string(out, recipient.address);
    put_short_string(out, recipient.original_recipient);
  }
  return out;
}

static Result<Envelope> read_fixed(ByteReader& in) {
  if (in.get<std::uint8_t>() != version) {
    return fail(ErrorCode::corrupt, "envelope of an unknown version");
  }
  Envelope envelope;
  envelope.id = QueueId(in.get<std::uint64_t>());
  envelope.arrival =
      WallTime(std::chrono::microseconds(static_cast<std::int64_t>(in.get<std::uint64_t>())));
  const auto flags = in.get<std::uint8_t>();
  if (flags > flags_known) return fail(ErrorCode::corrupt, "envelope with unknown flags");
  envelope.body = (flags & flag_eight_bit_body) != 0 ? BodyType::eight_bit : BodyType::seven_bit;
  envelope.smtputf8 = (flags & flag_smtputf8) != 0;
  envelope.content.eight_bit = (flags & flag_eight_bit_content) != 0;
  envelope.content.staged = (flags & flag_staged) != 0;
  const auto dsn_return = in.get<std::uint8_t>();
  if (dsn_return > static_cast<std::uint8_t>(DsnReturn::headers)) {
    return fail(ErrorCode::corrupt, "envelope with an unknown RET");
  }
  envelope.dsn_return = static_cast<DsnReturn>(dsn_return);
  envelope.content.size = in.get_varint();
  envelope.content.crc32c = in.get<std::uint32_t>();
  envelope.content.header_length = in.get_varint32();
  envelope.content.longest_line = in.get_varint32();
  envelope.reverse_path = in.get_short_string();
  envelope.envelope_id = in.get_short_string();
  envelope.client_address = in.get_short_string();
  envelope.client_helo = in.get_short_string();
  return envelope;
}

Result<Envelope> decode_envelope(std::string_view bytes) {
  ByteReader in(bytes);
  auto envelope = read_fixed(in);
  if (!envelope) return envelope;
  const std::uint64_t count = in.get_varint();
  // Each recipient takes three bytes at least: a count that cannot fit never allocates.
  if (!in.ok() || count > recipients_max || count > in.rest().size() / 3) {
    return fail(ErrorCode::corrupt, "envelope cut short");
  }
  envelope->recipients.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    Recipient recipient;
    recipient.notify = in.get<std::uint8_t>();
    recipient.address = in.get_short_string();
    recipient.original_recipient = in.get_short_string();
    if (recipient.notify > notify_known) {
      return fail(ErrorCode::corrupt, "envelope with an unknown NOTIFY");
    }
    if (recipient.address.size() > address_bytes_max) {
      return fail(ErrorCode::corrupt, "envelope with an oversized address");
    }
    envelope->recipients.push_back(std::move(recipient));
  }
  if (!in.at_end()) return fail(ErrorCode::corrupt, "envelope cut short or too long");
  if (envelope->reverse_path.size() > address_bytes_max) {
    return fail(ErrorCode::corrupt, "envelope with an oversized reverse-path");
  }
  return envelope;
}

std::string domain_of(std::string_view mailbox) {
  const auto at = mailbox.rfind('@');
  if (at == std::string_view::npos) return {};
  std::string domain(mailbox.substr(at + 1));
  for (char& c : domain) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return domain;
}

}  // namespace brevdue::mail
