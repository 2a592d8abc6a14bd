#include "core/crc32c.h"

#include <numeric>
#include <string>

#include <gtest/gtest.h>

namespace brevdue {
namespace {

// RFC 3720 B.4 gives the first four.
TEST(Crc32c, KnownVectors) {
  std::string ascending(32, '\0');
  std::iota(ascending.begin(), ascending.end(), '\0');
  const std::string descending(ascending.rbegin(), ascending.rend());
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  EXPECT_EQ(crc32c(ascending), 0x46dd794eu);
  EXPECT_EQ(crc32c(descending), 0x113fdb5cu);
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(""), 0u);
}

TEST(Crc32c, PartsAddUpToTheWholeWhereverItIsCut) {
  std::string text(1000, '\0');
  std::iota(text.begin(), text.end(), '\0');
  const std::uint32_t whole = crc32c(text);
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    const std::string_view view(text);
    EXPECT_EQ(crc32c(view.substr(cut), crc32c(view.substr(0, cut))), whole) << cut;
  }
}

TEST(Crc32c, EveryFlippedBitIsSeen) {
  std::string text = "Subject: hello\r\n\r\nbody\r\n";
  const std::uint32_t whole = crc32c(text);
  for (std::size_t bit = 0; bit < text.size() * 8; ++bit) {
    text[bit / 8] = static_cast<char>(text[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_NE(crc32c(text), whole);
    text[bit / 8] = static_cast<char>(text[bit / 8] ^ (1 << (bit % 8)));
  }
}

TEST(Crc32c, OfBothIsThatOfOneAfterTheOther) {
  std::string text(70'000, '\0');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 131 + (i >> 8));
  const std::string_view view(text);
  for (const std::size_t size : {0u, 1u, 7u, 8u, 64u, 4095u, 4096u, 65536u, 69'999u, 70'000u}) {
    for (const std::size_t before : {0u, 1u, 100u}) {
      if (before + size > view.size()) continue;
      const std::uint32_t first = crc32c(view.substr(0, before));
      const std::uint32_t second = crc32c(view.substr(before, size));
      EXPECT_EQ(crc32c_of_both(first, second, size), crc32c(view.substr(0, before + size)))
          << before << " and " << size;
    }
  }
}

TEST(Crc32c, OfBothKnowsEverySize) {
  const std::uint32_t first = crc32c("first");
  const std::uint32_t second = crc32c("second");
  const std::uint64_t half = (std::uint64_t{1} << 62) + 12345;
  const std::uint32_t at_once = crc32c_of_both(first, second, 2 * half);
  EXPECT_EQ(crc32c_of_both(crc32c_of_both(first, 0, half), second, half), at_once);
}

}  // namespace
}  // namespace brevdue
