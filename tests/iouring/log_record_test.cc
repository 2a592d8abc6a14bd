#include "backends/iouring/log_record.h"

#include <gtest/gtest.h>

namespace brevdue::tests {

using namespace backends;

namespace {
constexpr std::uint32_t seed = 0xfeedbeef;

std::string encoded(const LogRecord& record) {
  std::string bytes(record.size(), '\0');
  encode(record, seed, bytes.data());
  return bytes;
}

LogRecord a_message() {
  return {.type = RecordType::message,
          .id = mail::QueueId(0x1122334455667788),
          .first = "the envelope",
          .second = "the content, which is longer"};
}
}  // namespace

TEST(LogRecord, MessageRoundTrip) {
  const std::string bytes = encoded(a_message());
  const auto found = decode_record(bytes, seed);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->type, RecordType::message);
  EXPECT_EQ(found->id, a_message().id);
  EXPECT_EQ(found->first, a_message().first);
  EXPECT_EQ(found->second, a_message().second);
  EXPECT_TRUE(found->first_intact());
  EXPECT_TRUE(found->second_intact());
}

TEST(LogRecord, SettlementRoundTrip) {
  const LogRecord record{.type = RecordType::settlement,
                         .whole = true,
                         .id = mail::QueueId(9),
                         .target = {77, 8264},
                         .order = {0x1234567890, 5},
                         .first = "delta"};
  const std::string bytes = encoded(record);
  const auto found = decode_record(bytes, seed);
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->whole);
  EXPECT_EQ(found->target, record.target);
  EXPECT_EQ(found->order, record.order);
  EXPECT_EQ(found->first, "delta");
  EXPECT_TRUE(found->second.empty());
}

TEST(LogRecord, EveryFlipIsNoticedWhereItMatters) {
  const std::string bytes = encoded(a_message());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string flipped = bytes;
    flipped[i] = static_cast<char>(flipped[i] ^ 0x04);
    const auto found = decode_record(flipped, seed);
    if (i < record_header_size) {
      EXPECT_FALSE(found) << i;
    } else if (i < record_header_size + a_message().first.size()) {
      ASSERT_TRUE(found);
      EXPECT_FALSE(found->first_intact());
      EXPECT_TRUE(found->second_intact());
    } else {
      ASSERT_TRUE(found);
      EXPECT_TRUE(found->first_intact());
      EXPECT_FALSE(found->second_intact());
    }
  }
}

TEST(LogRecord, CutOrOfAnotherLife) {
  const std::string bytes = encoded(a_message());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_record(std::string_view(bytes).substr(0, size), seed));
  }
  EXPECT_FALSE(decode_record(bytes, seed + 1));
}

TEST(LogRecord, ReaderStopsAtWhatItCannotRead) {
  std::string bytes = encoded(a_message());
  const std::size_t first = bytes.size();
  bytes += encoded(a_message());
  RecordReader all(bytes, seed);
  ASSERT_TRUE(all.next());
  EXPECT_EQ(all.position(), 0u);
  ASSERT_TRUE(all.next());
  EXPECT_EQ(all.position(), first);
  EXPECT_FALSE(all.next());
  EXPECT_TRUE(all.at_end());
  bytes[first] = static_cast<char>(bytes[first] ^ 1);
  RecordReader damaged(bytes, seed);
  EXPECT_TRUE(damaged.next());
  EXPECT_FALSE(damaged.next());
  EXPECT_FALSE(damaged.at_end());
}

TEST(LogRecord, SurvivorsRoundTrip) {
  for (const std::vector<std::uint32_t>& offsets :
       {std::vector<std::uint32_t>{}, {8264}, {8264, 8265, 500'000, (1u << 30) - 1}}) {
    EXPECT_EQ(decode_survivors(encode_survivors(offsets)), offsets);
  }
  std::string bytes = encode_survivors({8264, 9000});
  EXPECT_FALSE(decode_survivors(bytes + "x"));
  bytes.pop_back();
  EXPECT_FALSE(decode_survivors(bytes));
  EXPECT_FALSE(decode_survivors(""));
  EXPECT_FALSE(decode_survivors("\xff\xff\xff\xff\x7f"));
}

}  // namespace brevdue::tests
