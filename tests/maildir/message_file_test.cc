#include "backends/maildir/message_file.h"

#include <gtest/gtest.h>

namespace brevdue::backends {

TEST(MessageFile, LayoutFindsEnvelopeContentAndSettlements) {
  std::string file = encode_message("envelope", "content of the message");
  mail::Settlement settlement;
  settlement.sequence = 1;
  settlement.attempts = 1;
  const std::size_t whole = file.size();
  put_record(file, FileRecord::settlement, mail::encode(settlement));
  const auto layout = parse_layout(file, file.size());
  ASSERT_TRUE(layout) << describe(layout.error());
  EXPECT_EQ(layout->envelope, "envelope");
  EXPECT_EQ(file.substr(layout->content_offset, layout->content.length), "content of the message");
  EXPECT_EQ(layout->settlements_offset, whole);
  const SettlementTail tail = parse_settlements(std::string_view(file).substr(whole));
  EXPECT_EQ(tail.whole_bytes, file.size() - whole);
  EXPECT_EQ(tail.state.attempts, 1u);
}

TEST(MessageFile, AHeadThatEndsInTheEnvelopeAsksForMore) {
  const std::string file = encode_message(std::string(1000, 'e'), "c");
  const auto layout = parse_layout(std::string_view(file).substr(0, 100), file.size());
  ASSERT_FALSE(layout);
  EXPECT_EQ(layout.error().code, ErrorCode::too_large);
}

TEST(MessageFile, EveryTruncationIsCorrupt) {
  const std::string file = encode_message("envelope", "content");
  for (std::size_t size = 0; size < file.size(); ++size) {
    const auto layout = parse_layout(std::string_view(file).substr(0, size), size);
    ASSERT_FALSE(layout) << size;
    EXPECT_EQ(layout.error().code, ErrorCode::corrupt) << size;
  }
}

TEST(MessageFile, ASettlementCutShortLeavesTheOnesBefore) {
  mail::Settlement settlement;
  std::string tail;
  settlement.sequence = 1;
  settlement.attempts = 1;
  put_record(tail, FileRecord::settlement, mail::encode(settlement));
  const std::size_t first = tail.size();
  settlement.sequence = 2;
  settlement.attempts = 2;
  put_record(tail, FileRecord::settlement, mail::encode(settlement));
  for (std::size_t size = first; size < tail.size(); ++size) {
    const SettlementTail found = parse_settlements(std::string_view(tail).substr(0, size));
    EXPECT_EQ(found.whole_bytes, first);
    EXPECT_EQ(found.state.attempts, 1u);
  }
}

TEST(MessageFile, ADamagedSettlementDoesNotHideTheNext) {
  mail::Settlement settlement;
  std::string tail;
  std::size_t first = 0;
  for (std::uint32_t number = 1; number <= 3; ++number) {
    settlement.sequence = settlement.attempts = number;
    settlement.results = {{number, mail::RecipientStatus::relayed, "250 2.0.0 ok"}};
    put_record(tail, FileRecord::settlement, mail::encode(settlement));
    if (number == 1) first = tail.size();
  }
  std::string damaged = tail;
  damaged[first + RecordHeader::size + 5] ^= 1;
  const SettlementTail found = parse_settlements(damaged);
  EXPECT_EQ(found.damaged, 1u);
  EXPECT_EQ(found.whole_bytes, tail.size());
  EXPECT_EQ(found.state.attempts, 3u);
  EXPECT_EQ(found.state.status_of(1), mail::RecipientStatus::relayed);
  EXPECT_EQ(found.state.status_of(2), mail::RecipientStatus::pending);
  EXPECT_EQ(found.state.status_of(3), mail::RecipientStatus::relayed);
}

}  // namespace brevdue::backends
