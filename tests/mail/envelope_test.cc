#include "mail/envelope.h"

#include <gtest/gtest.h>

#include "core/bytes.h"
#include "tests/mail/damage.h"

namespace brevdue::mail {
namespace {

using namespace std::chrono_literals;

Envelope full_envelope() {
  Envelope envelope;
  envelope.id = QueueId(0x0123456789abcdef);
  envelope.arrival = WallTime(1'795'507'200'123'456us);
  envelope.reverse_path = "sender@example.org";
  envelope.envelope_id = "QQ314159";
  envelope.dsn_return = DsnReturn::headers;
  envelope.body = BodyType::eight_bit;
  envelope.smtputf8 = true;
  envelope.client_address = "2001:db8::1";
  envelope.client_helo = "client.example.org";
  envelope.content = {.size = 123'456'789'012,
                      .crc32c = 0xdeadbeef,
                      .header_length = 1000,
                      .longest_line = 998,
                      .eight_bit = true,
                      .staged = true};
  envelope.recipients = {
      {"a@example.net", "rfc822;a+40example.net", DsnNotify::never},
      {"b@example.net", "", DsnNotify::success | DsnNotify::failure | DsnNotify::delay},
      {"j\xc3\xbcrgen@example.net", "", DsnNotify::unset}};
  return envelope;
}

TEST(Envelope, RoundTrip) {
  EXPECT_EQ(decode_envelope(encode(full_envelope())).value(), full_envelope());
}

TEST(Envelope, RoundTripOfAnEmptyOne) {
  EXPECT_EQ(decode_envelope(encode(Envelope{})).value(), Envelope{});
}

TEST(Envelope, EachFlagIsItsOwn) {
  const auto round_trip = [](auto change) {
    Envelope envelope;
    change(envelope);
    EXPECT_NE(envelope, Envelope{});
    EXPECT_EQ(decode_envelope(encode(envelope)).value(), envelope);
  };
  round_trip([](Envelope& e) { e.body = BodyType::eight_bit; });
  round_trip([](Envelope& e) { e.smtputf8 = true; });
  round_trip([](Envelope& e) { e.content.eight_bit = true; });
  round_trip([](Envelope& e) { e.content.staged = true; });
  round_trip([](Envelope& e) { e.dsn_return = DsnReturn::full; });
}

TEST(Envelope, RoundTripWithTheMostRecipients) {
  Envelope envelope;
  envelope.recipients.resize(recipients_max, {"r@example.org", "", DsnNotify::unset});
  EXPECT_EQ(decode_envelope(encode(envelope)).value(), envelope);
  envelope.recipients.push_back({});
  EXPECT_EQ(decode_envelope(encode(envelope)).error().code, ErrorCode::corrupt);
}

TEST(Envelope, AddressesHaveABound) {
  Envelope envelope;
  envelope.reverse_path = std::string(address_bytes_max, 'a');
  envelope.recipients = {{std::string(address_bytes_max, 'b'), "", DsnNotify::unset}};
  EXPECT_EQ(decode_envelope(encode(envelope)).value(), envelope);
  Envelope with_long_sender = envelope;
  with_long_sender.reverse_path += 'a';
  EXPECT_EQ(decode_envelope(encode(with_long_sender)).error().code, ErrorCode::corrupt);
  Envelope with_long_recipient = envelope;
  with_long_recipient.recipients[0].address += 'b';
  EXPECT_EQ(decode_envelope(encode(with_long_recipient)).error().code, ErrorCode::corrupt);
}

TEST(Envelope, CutAnywhereItIsAnError) {
  const std::string bytes = encode(full_envelope());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto decoded = decode_envelope(std::string_view(bytes).substr(0, size));
    ASSERT_FALSE(decoded.has_value()) << size;
    EXPECT_EQ(decoded.error().code, ErrorCode::corrupt);
  }
}

TEST(Envelope, BytesBehindItAreAnError) {
  EXPECT_EQ(decode_envelope(encode(full_envelope()) + '\0').error().code, ErrorCode::corrupt);
}

TEST(Envelope, AnotherVersionIsAnError) {
  std::string bytes = encode(full_envelope());
  bytes[0] = 2;
  EXPECT_EQ(decode_envelope(bytes).error().code, ErrorCode::corrupt);
}

TEST(Envelope, ACountThatCannotFitAllocatesNothing) {
  Envelope envelope;
  std::string bytes = encode(envelope);
  bytes.pop_back();  // the count of recipients
  put_varint(bytes, recipients_max);
  EXPECT_EQ(decode_envelope(bytes).error().context, "envelope cut short");
}

TEST(Envelope, DamageNeverGivesWhatCannotBeWrittenAgain) {
  const std::string bytes = encode(full_envelope());
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  for (int i = 0; i < 20'000; ++i) {
    const auto decoded = decode_envelope(tests::damaged(bytes, random));
    if (!decoded) continue;
    ASSERT_LE(decoded->recipients.size(), recipients_max);
    ASSERT_EQ(decode_envelope(encode(*decoded)).value(), *decoded);
  }
}

TEST(Envelope, TheDomainIsBehindTheLastAtSignInLowerCase) {
  EXPECT_EQ(domain_of("user@Example.ORG"), "example.org");
  EXPECT_EQ(domain_of("\"a@b\"@example.org"), "example.org");
  EXPECT_EQ(domain_of("user@[192.0.2.1]"), "[192.0.2.1]");
  EXPECT_EQ(domain_of("user"), "");
  EXPECT_EQ(domain_of("user@"), "");
  EXPECT_EQ(domain_of(""), "");
}

}  // namespace
}  // namespace brevdue::mail
