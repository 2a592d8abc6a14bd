#include "mail/settlement.h"

#include <gtest/gtest.h>

#include "core/bytes.h"
#include "tests/mail/damage.h"

namespace brevdue::mail {
namespace {

using namespace std::chrono_literals;

Settlement full_settlement() {
  return {.sequence = 7,
          .attempts = 300,
          .suspect = 2,
          .next_attempt = WallTime(1'795'507'200'123'456us),
          .held = true,
          .delay_notified = true,
          .results = {{3, RecipientStatus::deferred, "452 4.2.2 over quota"},
                      {0, RecipientStatus::relayed, "250 2.0.0 Ok"},
                      {49'999, RecipientStatus::failed, ""}}};
}

TEST(Settlement, RoundTrip) {
  EXPECT_EQ(decode_settlement(encode(full_settlement())).value(), full_settlement());
}

TEST(Settlement, RoundTripOfAnEmptyOne) {
  EXPECT_EQ(decode_settlement(encode(Settlement{})).value(), Settlement{});
}

TEST(Settlement, EachFlagIsItsOwn) {
  Settlement held;
  held.held = true;
  EXPECT_EQ(decode_settlement(encode(held)).value(), held);
  Settlement notified;
  notified.delay_notified = true;
  EXPECT_EQ(decode_settlement(encode(notified)).value(), notified);
}

TEST(Settlement, ALongReplyIsCut) {
  Settlement settlement;
  settlement.results = {{0, RecipientStatus::failed, std::string(reply_bytes_max + 1, 'x')}};
  const auto decoded = decode_settlement(encode(settlement));
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(decoded->results[0].reply, std::string(reply_bytes_max, 'x'));
}

TEST(Settlement, CutAnywhereItIsAnError) {
  const std::string bytes = encode(full_settlement());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto decoded = decode_settlement(std::string_view(bytes).substr(0, size));
    ASSERT_FALSE(decoded.has_value()) << size;
    EXPECT_EQ(decoded.error().code, ErrorCode::corrupt);
  }
}

TEST(Settlement, BytesBehindItAreAnError) {
  EXPECT_EQ(decode_settlement(encode(full_settlement()) + '\0').error().code, ErrorCode::corrupt);
}

TEST(Settlement, AnotherVersionIsAnError) {
  std::string bytes = encode(full_settlement());
  bytes[0] = 0;
  EXPECT_EQ(decode_settlement(bytes).error().code, ErrorCode::corrupt);
}

TEST(Settlement, ARecipientOrStatusOutOfRangeIsAnError) {
  Settlement settlement;
  settlement.results = {{recipients_max, RecipientStatus::relayed, ""}};
  EXPECT_EQ(decode_settlement(encode(settlement)).error().code, ErrorCode::corrupt);
  settlement.results = {{0, static_cast<RecipientStatus>(4), ""}};
  EXPECT_EQ(decode_settlement(encode(settlement)).error().code, ErrorCode::corrupt);
}

TEST(Settlement, ACountThatCannotFitAllocatesNothing) {
  std::string bytes = encode(Settlement{});
  bytes.pop_back();  // the count of results
  put_varint(bytes, recipients_max);
  EXPECT_EQ(decode_settlement(bytes).error().context, "settlement cut short");
}

TEST(Settlement, DamageNeverGivesWhatCannotBeWrittenAgain) {
  const std::string bytes = encode(full_settlement());
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  for (int i = 0; i < 20'000; ++i) {
    const auto decoded = decode_settlement(tests::damaged(bytes, random));
    if (!decoded) continue;
    ASSERT_EQ(decode_settlement(encode(*decoded)).value(), *decoded);
  }
}

}  // namespace
}  // namespace brevdue::mail
