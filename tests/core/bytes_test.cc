#include "core/bytes.h"

#include <limits>

#include <gtest/gtest.h>

namespace brevdue {
namespace {

TEST(Bytes, NumbersAreLittleEndian) {
  std::string out;
  put(out, std::uint8_t{0x01});
  put(out, std::uint16_t{0x0203});
  put(out, std::uint32_t{0x04050607});
  EXPECT_EQ(out, std::string("\x01\x03\x02\x07\x06\x05\x04"));
}

TEST(Bytes, WhatIsPutIsGot) {
  std::string out;
  put(out, std::uint64_t{0xfedcba9876543210});
  put_string(out, "text");
  put_short_string(out, "");
  put_short_string(out, std::string(300, 'x'));
  ByteReader in(out);
  EXPECT_EQ(in.get<std::uint64_t>(), 0xfedcba9876543210);
  EXPECT_EQ(in.get_string(), "text");
  EXPECT_EQ(in.get_short_string(), "");
  EXPECT_EQ(in.get_short_string(), std::string(300, 'x'));
  EXPECT_TRUE(in.at_end());
}

TEST(Bytes, VarintsTakeOneToTenBytes) {
  const struct {
    std::uint64_t value;
    std::size_t size;
  } cases[] = {{0, 1},           {127, 1},
               {128, 2},         {16'383, 2},
               {16'384, 3},      {(1ull << 63) - 1, 9},
               {1ull << 63, 10}, {std::numeric_limits<std::uint64_t>::max(), 10}};
  for (const auto& [value, size] : cases) {
    std::string out;
    put_varint(out, value);
    EXPECT_EQ(out.size(), size) << value;
    ByteReader in(out);
    EXPECT_EQ(in.get_varint(), value);
    EXPECT_TRUE(in.at_end());
  }
}

TEST(Bytes, AVarintThatOverflowsIsRefused) {
  for (const std::string& bytes : {std::string(9, '\x80') + '\x02', std::string(10, '\xff'),
                                   std::string(20, '\x80') + '\x01'}) {
    ByteReader in(bytes);
    EXPECT_EQ(in.get_varint(), 0u);
    EXPECT_FALSE(in.ok());
  }
}

TEST(Bytes, AReaderNeverReadsPastItsEnd) {
  const std::string bytes("\x01\x02\x03", 3);
  ByteReader in(bytes);
  EXPECT_EQ(in.get<std::uint32_t>(), 0u);
  EXPECT_FALSE(in.ok());
  EXPECT_FALSE(in.at_end());
  // Failed once, failed for good, although a byte is there.
  EXPECT_EQ(in.get<std::uint8_t>(), 0u);
  EXPECT_EQ(in.take(1), "");
  EXPECT_FALSE(in.ok());
}

TEST(Bytes, ALengthBeyondTheEndIsRefused) {
  std::string out;
  put(out, std::numeric_limits<std::uint32_t>::max());
  out += "abc";
  ByteReader in(out);
  EXPECT_EQ(in.get_string(), "");
  EXPECT_FALSE(in.ok());

  out.clear();
  put_varint(out, std::numeric_limits<std::uint64_t>::max());
  out += "abc";
  ByteReader again(out);
  EXPECT_EQ(again.get_short_string(), "");
  EXPECT_FALSE(again.ok());
}

TEST(Bytes, TakingNothingAtTheEndSucceeds) {
  ByteReader in("");
  EXPECT_EQ(in.take(0), "");
  EXPECT_TRUE(in.at_end());
}

}  // namespace
}  // namespace brevdue
