#include "bench/load/content.h"

#include <string>

#include <gtest/gtest.h>

#include "bench/load/content_verifier.h"
#include "bench/load/dot_codec.h"
#include "bench/load/latency_histogram.h"
#include "core/crc32c.h"

namespace brevdue::load {
namespace {

std::string whole(const BookKey& key) {
  const Content content(key);
  std::string out = content.header();
  for (std::uint64_t slot = 0; slot < content.slots(); ++slot) content.append_slot(out, slot);
  return out;
}

Verdict verdict_of(std::string_view content) {
  ContentVerifier verifier;
  verifier.feed(content);
  return verifier.finish();
}

TEST(BookKey, IsReadBackOnlyInItsExactForm) {
  const BookKey key{.run = 0x5f3a9c0b12de, .sequence = 420, .size = 4096};
  EXPECT_EQ(to_text(key), "5f3a9c0b12de-000001a4-1000");
  EXPECT_EQ(parse_book_key(to_text(key)), key);
  for (const char* wrong :
       {"", "5f3a9c0b12de-000001a4-", "5F3A9C0B12DE-000001a4-1000", "5f3a9c0b12de-000001a4-01000",
        "5f3a9c0b12de-000001a4-1000 ", "5f3a9c0b12de_000001a4-1000", "5f3a9c0b12de-000001a4-xyz"}) {
    EXPECT_FALSE(parse_book_key(wrong)) << wrong;
  }
}

TEST(Content, HasExactlyTheSizeOfItsKeyAndWholeLines) {
  for (std::uint64_t size = minimum_content_size; size < minimum_content_size + 400; ++size) {
    const std::string text = whole({.run = 7, .sequence = 1, .size = size});
    ASSERT_EQ(text.size(), size);
    ASSERT_TRUE(text.ends_with("\r\n"));
    for (std::size_t at = 0; at < text.size(); ++at) {
      if (text[at] == '\n') ASSERT_EQ(text[at - 1], '\r') << "at " << at;
      if (text[at] == '\r') ASSERT_EQ(text[at + 1], '\n') << "at " << at;
    }
  }
}

TEST(Content, HasTheLinesThatDotStuffingIsAbout) {
  const std::string text = whole({.run = 7, .sequence = 1, .size = 20000});
  EXPECT_NE(text.find("\r\n.\r\n"), std::string::npos);
  EXPECT_NE(text.find("\r\n\r\n", text.find("\r\n\r\n") + 4), std::string::npos);
}

TEST(Content, DiffersWithEveryPartOfTheKey) {
  const BookKey key{.run = 7, .sequence = 1, .size = 4096};
  BookKey other = key;
  other.run = 8;
  EXPECT_NE(whole(key).substr(500), whole(other).substr(500));
  other = key;
  other.sequence = 2;
  EXPECT_NE(whole(key).substr(500), whole(other).substr(500));
}

TEST(Content, KnowsItsChecksumForSmallAndLarge) {
  for (const std::uint64_t size : {400U, 4096U, 16384U, 70000U, 1000003U}) {
    const BookKey key{.run = 9, .sequence = 3, .size = size};
    EXPECT_EQ(Content(key).crc(), crc32c(whole(key))) << size;
  }
}

TEST(ContentVerifier, AcceptsWhatWasSentInPiecesOfAnySize) {
  const std::string text = "Received: from a by b\r\n\tid 1\r\nReceived: from c\r\n" +
                           whole({.run = 7, .sequence = 1, .size = 3000});
  for (const std::size_t step : {1U, 2U, 7U, 78U, 1000U, 100000U}) {
    ContentVerifier verifier;
    for (std::size_t at = 0; at < text.size(); at += step) {
      verifier.feed(std::string_view(text).substr(at, step));
    }
    EXPECT_EQ(verifier.finish(), Verdict::whole) << step;
    EXPECT_EQ(verifier.received_fields(), 2U);
    EXPECT_EQ(verifier.crc(), Content({.run = 7, .sequence = 1, .size = 3000}).crc());
  }
}

TEST(ContentVerifier, SeesEveryChangedByte) {
  const std::string text = whole({.run = 7, .sequence = 1, .size = 1000});
  const std::size_t after_key = text.find("\r\n");
  for (std::size_t at = after_key; at < text.size(); ++at) {
    std::string changed = text;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    ASSERT_NE(verdict_of(changed), Verdict::whole) << "byte " << at;
  }
}

TEST(ContentVerifier, SeesBytesMissingAndAdded) {
  const std::string text = whole({.run = 7, .sequence = 1, .size = 1000});
  for (std::size_t cut = text.find("\r\n") + 2; cut < text.size(); ++cut) {
    ASSERT_EQ(verdict_of(std::string_view(text).substr(0, cut)), Verdict::altered) << cut;
  }
  EXPECT_EQ(verdict_of(text + "\r\n"), Verdict::altered);
  EXPECT_EQ(verdict_of(text.substr(0, 600) + text.substr(601)), Verdict::altered);
}

TEST(ContentVerifier, LooksForTheKeyInTheHeaderOnly) {
  EXPECT_EQ(verdict_of("Subject: bounce\r\n\r\n" + whole({.run = 7, .sequence = 1, .size = 500})),
            Verdict::foreign);
  EXPECT_EQ(verdict_of("X-Book: nonsense\r\n\r\n"), Verdict::foreign);
  EXPECT_EQ(verdict_of(""), Verdict::foreign);
}

std::string decode(std::string_view wire, std::size_t step, std::size_t& taken, bool& ended) {
  DotDecoder decoder;
  std::string out;
  taken = 0;
  while (taken < wire.size() && !decoder.ended()) {
    taken += decoder.feed(wire.substr(taken, step), [&](std::string_view piece) { out += piece; });
  }
  ended = decoder.ended();
  return out;
}

TEST(DotCodec, ReversesItselfInPiecesOfAnySize) {
  const std::string text =
      "a.b\r\n.\r\n..\r\n.c\r\n\r\n.\r.\r\n" + whole({.run = 7, .sequence = 1, .size = 2000});
  std::string wire;
  append_stuffed(wire, text);
  const std::size_t end = wire.size() + 3;
  wire += ".\r\nQUIT\r\n";
  for (std::size_t step = 1; step < 40; ++step) {
    std::size_t taken = 0;
    bool ended = false;
    ASSERT_EQ(decode(wire, step, taken, ended), text) << step;
    ASSERT_TRUE(ended);
    ASSERT_EQ(taken, end) << "the command after the data is left alone";
  }
}

TEST(DotCodec, EndsOnlyAtCrlfDotCrlf) {
  for (const char* wire :
       {"a\n.\n", "a\n.\r\n", "a\r\n.\n", "a\r.\r", "a\r\n.\r", "a\r\n.\r\r\n"}) {
    for (const std::size_t step : {1U, 100U}) {
      std::size_t taken = 0;
      bool ended = true;
      decode(wire, step, taken, ended);
      EXPECT_FALSE(ended) << ::testing::PrintToString(std::string(wire)) << " by " << step;
    }
  }
}

TEST(LatencyHistogram, GivesQuantilesWithinTheWidthOfABucket) {
  LatencyHistogram histogram;
  EXPECT_EQ(histogram.quantile(0.5), 0U);
  for (std::uint64_t value = 1; value <= 100000; ++value) histogram.add(value);
  EXPECT_EQ(histogram.count(), 100000U);
  EXPECT_EQ(histogram.max(), 100000U);
  EXPECT_NEAR(static_cast<double>(histogram.quantile(0.5)), 50000.0, 50000 * 0.016);
  EXPECT_NEAR(static_cast<double>(histogram.quantile(0.99)), 99000.0, 99000 * 0.016);
  EXPECT_EQ(histogram.quantile(1.0), 100000U);
  histogram.add(~std::uint64_t{0});
  EXPECT_EQ(histogram.max(), 3'600'000'000U);
}

}  // namespace
}  // namespace brevdue::load
