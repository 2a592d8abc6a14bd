#include "backends/iouring/log_format.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "backends/iouring/batch_builder.h"

namespace brevdue::tests {

using namespace backends;

namespace {
SegmentHeader some_segment() {
  return {.number = 7,
          .size = 1u << 20,
          .generation = 12,
          .run = 3,
          .first_sequence = 100,
          .salt = 0x0123456789abcdef};
}

std::string batch_at(const SegmentHeader& segment, std::uint32_t offset, std::uint64_t sequence) {
  std::string memory(log_block, '\0');
  BatchBuilder builder(memory, segment, offset);
  return std::string(
      builder.finish({.run = segment.run, .sequence = sequence, .durable_through = sequence - 1}));
}
}  // namespace

TEST(LogFormat, SegmentHeaderRoundTrip) {
  const std::string area = encode(some_segment());
  ASSERT_EQ(area.size(), segment_header_area);
  const HeaderArea found = decode_header_area(area, 7);
  EXPECT_EQ(found.state, HeaderState::used);
  EXPECT_EQ(found.header, some_segment());
}

TEST(LogFormat, BlankAreaIsBlank) {
  const HeaderArea found = decode_header_area(std::string(segment_header_area, '\0'), 7);
  EXPECT_EQ(found.state, HeaderState::blank);
}

TEST(LogFormat, OneCopyIsEnough) {
  const std::string area = encode(some_segment());
  for (const std::size_t copy : {0u, log_block}) {
    for (std::size_t i = 0; i < 48; ++i) {
      std::string flipped = area;
      flipped[copy + i] = static_cast<char>(flipped[copy + i] ^ 0x10);
      const HeaderArea found = decode_header_area(flipped, 7);
      ASSERT_EQ(found.state, HeaderState::used) << i;
      EXPECT_EQ(found.header, some_segment());
    }
  }
}

TEST(LogFormat, BothCopiesDamagedIsDamage) {
  std::string area = encode(some_segment());
  area[9] = static_cast<char>(area[9] ^ 1);
  area[log_block + 20] = static_cast<char>(area[log_block + 20] ^ 1);
  EXPECT_EQ(decode_header_area(area, 7).state, HeaderState::damaged);
  // Damage is not taken for blank because the other copy happens to be.
  area.replace(log_block, log_block, std::string(log_block, '\0'));
  EXPECT_EQ(decode_header_area(area, 7).state, HeaderState::damaged);
}

TEST(LogFormat, TornChangeOfHeaderIsOneOrTheOther) {
  SegmentHeader next = some_segment();
  next.generation = 40;
  const std::string old_area = encode(some_segment());
  const std::string new_area = encode(next);
  const std::string blank(log_block, '\0');
  const auto state = [](const std::string& first, const std::string& second) {
    return decode_header_area(first.substr(0, log_block) + second.substr(0, log_block), 7);
  };
  EXPECT_EQ(state(new_area, old_area).header.generation, 40u);
  EXPECT_EQ(state(old_area, new_area).header.generation, 40u);
  EXPECT_EQ(state(blank, old_area).header.generation, 12u);
  EXPECT_EQ(state(old_area, blank).header.generation, 12u);
}

TEST(LogFormat, HeaderOfAnotherFileOrVersion) {
  EXPECT_EQ(decode_header_area(encode(some_segment()), 8).state, HeaderState::damaged);
  EXPECT_EQ(decode_header_area("", 7).state, HeaderState::damaged);
}

TEST(LogFormat, FooterRoundTrip) {
  const SegmentHeader segment = some_segment();
  const std::string block = encode(SegmentFooter{.end = 81920, .last_sequence = 160}, segment);
  ASSERT_EQ(block.size(), log_block);
  const auto found = decode_footer(block, segment);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->end, 81920u);
  EXPECT_EQ(found->last_sequence, 160u);
  SegmentHeader later = segment;
  later.generation = 13;
  EXPECT_FALSE(decode_footer(block, later));
  for (std::size_t i = 0; i < 40; ++i) {
    std::string flipped = block;
    flipped[i] = static_cast<char>(flipped[i] ^ 0x40);
    EXPECT_FALSE(decode_footer(flipped, segment)) << i;
  }
}

TEST(LogFormat, BatchHeaderRoundTrip) {
  const SegmentHeader segment = some_segment();
  const std::string batch = batch_at(segment, 12288, 105);
  ASSERT_EQ(batch.size(), log_block);
  const auto found = decode_batch_header(batch, segment, 12288);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->sequence, 105u);
  EXPECT_EQ(found->durable_through, 104u);
  EXPECT_EQ(found->length, 0u);
  EXPECT_EQ(batch.substr(batch_header_size), std::string(log_block - batch_header_size, '\0'));
}

TEST(LogFormat, BatchHeaderIsBoundToItsPlace) {
  const SegmentHeader segment = some_segment();
  const std::string batch = batch_at(segment, 12288, 105);
  EXPECT_FALSE(decode_batch_header(batch, segment, 16384));
  SegmentHeader other = segment;
  other.salt ^= 1;
  EXPECT_FALSE(decode_batch_header(batch, other, 12288));
  other = segment;
  other.generation = 13;
  EXPECT_FALSE(decode_batch_header(batch, other, 12288));
  other = segment;
  other.first_sequence = 106;
  EXPECT_FALSE(decode_batch_header(batch, other, 12288));
  for (std::size_t i = 0; i < batch_header_size; ++i) {
    std::string flipped = batch;
    flipped[i] = static_cast<char>(flipped[i] ^ 0x01);
    EXPECT_FALSE(decode_batch_header(flipped, segment, 12288)) << i;
  }
  EXPECT_FALSE(decode_batch_header(batch.substr(0, 71), segment, 12288));
}

TEST(LogFormat, BatchMayNotReachIntoTheFooter) {
  const SegmentHeader segment = some_segment();
  const std::uint32_t last = segment.footer_offset() - log_block;
  EXPECT_TRUE(decode_batch_header(batch_at(segment, last, 105), segment, last));
  std::string memory(3 * log_block, '\0');
  BatchBuilder builder(memory, segment, last);
  const std::string content(2 * log_block, 'x');
  builder.add({.type = RecordType::message, .second = content});
  const auto bytes = builder.finish({.run = 3, .sequence = 105, .durable_through = 104});
  EXPECT_FALSE(decode_batch_header(bytes, segment, last));
}

// The bytes that FORMAT.md shows.
TEST(LogFormat, TheWorkedExample) {
  const SegmentHeader segment{.number = 7,
                              .size = 1u << 20,
                              .generation = 12,
                              .run = 3,
                              .first_sequence = 100,
                              .salt = 0x0123456789abcdef};
  const auto hex = [](std::string_view bytes) {
    std::string text;
    for (const char byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
    return text;
  };
  EXPECT_EQ(hex(encode(segment).substr(0, 48)),
            "42525653010000000700000000001000"
            "0c000000030000006400000000000000"
            "efcdab896745230100000000fd08b5f6");
  std::string memory(log_block, '\0');
  BatchBuilder builder(memory, segment, segment_header_area);
  builder.add({.type = RecordType::message,
               .id = mail::QueueId(0x5f5e1000001),
               .first = "env",
               .second = "Hi\r\n"});
  builder.add(
      {.type = RecordType::tombstone, .id = mail::QueueId(0x5f5e0fff001), .target = {11, 8264}});
  const auto batch = builder.finish({.run = 3, .sequence = 100, .durable_through = 99});
  EXPECT_EQ(hex(batch.substr(0, 192)),
            "42525642010048000c00000003000000"
            "efcdab89674523016400000000000000"
            "6300000000000000002000006f000000"
            "02000000f943adcb0100000000000000"
            "000000001804c1943b00000001000000"
            "010000e1f50500000000000000000000"
            "00000000000000000000000003000000"
            "baeaa45e9bb26a05ad7ce664656e7648"
            "690d0a340000000300000001f0ffe0f5"
            "0500000b000000482000000000000000"
            "00000000000000000000000000000000"
            "0000006b7cf244000000000000000000");
  EXPECT_EQ(batch.size(), log_block);
  EXPECT_EQ(hex(encode(SegmentFooter{12288, 100}, segment).substr(0, 40)),
            "425256460c000000efcdab8967452301"
            "64000000000000000030000000000000"
            "00000000484347c5");
}

}  // namespace brevdue::tests
