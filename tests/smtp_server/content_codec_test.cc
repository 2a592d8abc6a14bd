#include "smtp/content_codec.h"

#include <random>
#include <string>

#include <gtest/gtest.h>

#include "tests/smtp_server/reference_codec.h"

namespace brevdue::smtp {

static void expect_same(const ReferenceContent& got, const ReferenceContent& wanted) {
  EXPECT_EQ(got.ended, wanted.ended);
  EXPECT_EQ(got.consumed, wanted.consumed);
  EXPECT_EQ(got.fault, wanted.fault);
  if (!wanted.ended || wanted.fault != ContentFault::none) return;
  EXPECT_EQ(got.content, wanted.content);
  EXPECT_EQ(got.scan.size, wanted.scan.size);
  EXPECT_EQ(got.scan.header_length, wanted.scan.header_length);
  EXPECT_EQ(got.scan.longest_line, wanted.scan.longest_line);
  EXPECT_EQ(got.scan.message_id_at, wanted.scan.message_id_at);
  EXPECT_EQ(got.scan.received_fields, wanted.scan.received_fields);
  EXPECT_EQ(got.scan.eight_bit, wanted.scan.eight_bit);
}

TEST(ContentCodecTest, TakesTheStuffingOff) {
  const auto got = run_codec("a\r\n..\r\n.b\r\n.\r\nMAIL", [] { return SIZE_MAX; });
  EXPECT_TRUE(got.ended);
  EXPECT_EQ(got.content, "a\r\n.\r\nb\r\n");
  EXPECT_EQ(got.consumed, 14u);
}

TEST(ContentCodecTest, ContentMayBeEmpty) {
  const auto got = run_codec(".\r\n", [] { return 1; });
  EXPECT_TRUE(got.ended);
  EXPECT_EQ(got.content, "");
}

TEST(ContentCodecTest, ProducesNothingMoreOnceTheContentIsTooLarge) {
  ContentCodec codec(10);
  std::string buffer(100, '\0');
  EXPECT_EQ(codec.feed("12345678\r\n", buffer.data()).produced, 10u);
  EXPECT_EQ(codec.fault(), ContentFault::none);
  EXPECT_EQ(codec.feed("x", buffer.data()).produced, 0u);
  EXPECT_EQ(codec.fault(), ContentFault::too_large);
  EXPECT_EQ(codec.feed("y\r\n.\r\nQUIT", buffer.data()).consumed, 6u);
  EXPECT_TRUE(codec.ended());
}

TEST(ContentCodecTest, EveryShortInputAgreesWithTheReference) {
  // All strings of up to seven of the bytes that matter, whole and cut at each byte.
  constexpr std::string_view alphabet("\r\n.\0x", 5);
  for (std::size_t length = 0; length <= 7; ++length) {
    std::size_t count = 1;
    for (std::size_t i = 0; i < length; ++i) count *= alphabet.size();
    for (std::size_t number = 0; number < count; ++number) {
      std::string text;
      for (std::size_t i = 0, rest = number; i < length; ++i, rest /= alphabet.size()) {
        text.push_back(alphabet[rest % alphabet.size()]);
      }
      text += "\r\n.\r\n";
      const ReferenceContent wanted = read_content(text);
      expect_same(run_codec(text, [] { return SIZE_MAX; }), wanted);
      expect_same(run_codec(text, [] { return 1; }), wanted);
      if (testing::Test::HasFailure()) {
        FAIL() << "input " << testing::PrintToString(text);
      }
    }
  }
}

class RandomContent {
 public:
  explicit RandomContent(std::uint64_t seed) : random_(seed) {}

  std::size_t below(std::size_t limit) {
    return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random_);
  }

  // Lines that are mostly clean, so that long runs, edges of blocks and rare faults all happen.
  std::string text() {
    const bool faulty = below(4) == 0;
    std::string out;
    const std::size_t lines = below(60);
    for (std::size_t i = 0; i < lines; ++i) {
      switch (below(12)) {
        case 0:
          out += "Received: from somewhere";
          break;
        case 1:
          out += "MESSAGE-ID: <x@y>";
          break;
        case 2:
          out += ".";
          break;
        case 3:
          if (below(3) == 0) out += "\xc3\xa4";
          break;
        default:
          out.append(below(below(10) == 0 ? 700 : 90), "ab.c"[below(4)]);
      }
      if (faulty && below(20) == 0) out += "\r";
      if (faulty && below(20) == 0) out += "\n";
      if (faulty && below(40) == 0) out.push_back('\0');
      out += "\r\n";
    }
    return out + ".\r\nRSET\r\n";
  }

 private:
  std::mt19937_64 random_;
};

TEST(ContentCodecTest, RandomContentAgreesWithTheReferenceHoweverItIsCut) {
  for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
    SCOPED_TRACE(seed);
    RandomContent random(seed);
    const std::string text = random.text();
    const ReferenceContent wanted = read_content(text);
    expect_same(run_codec(text, [] { return SIZE_MAX; }), wanted);
    expect_same(run_codec(text, [&] { return 1 + random.below(200); }), wanted);
    expect_same(run_codec(text, [&] { return 1 + random.below(3); }), wanted);
    ASSERT_FALSE(testing::Test::HasFailure());
  }
}

}  // namespace brevdue::smtp
