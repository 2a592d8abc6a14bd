#include "smtp/client_content_writer.h"

#include <random>
#include <string>

#include <gtest/gtest.h>

#include "core/crc32c.h"

namespace brevdue::smtp {
namespace {

struct Written {
  bool fit;
  std::string wire;
  std::uint32_t crc32c;
};

// `cuts` are block sizes, used in turn.
Written write(std::string_view content, const std::vector<std::size_t>& cuts) {
  ClientContentWriter writer;
  Written written{true, {}, 0};
  std::size_t turn = 0;
  while (written.fit && !content.empty()) {
    const std::string block(content.substr(0, cuts[turn++ % cuts.size()]));
    content.remove_prefix(block.size());
    ClientContentWriter::Pieces pieces;
    written.fit = writer.add(block, pieces);
    if (written.fit) {
      for (const std::string_view piece : pieces) written.wire.append(piece);
    }
  }
  ClientContentWriter::Pieces pieces;
  if (written.fit) written.fit = writer.finish(pieces);
  if (written.fit) {
    for (const std::string_view piece : pieces) written.wire.append(piece);
  }
  written.crc32c = writer.crc32c();
  return written;
}

Written write(std::string_view content) {
  return write(content, {content.size() + 1});
}

// Byte by byte, as RFC 5321 4.5.2 says it.
Written write_naively(std::string_view content) {
  std::string wire;
  bool line_start = true;
  for (std::size_t i = 0; i < content.size(); ++i) {
    const char c = content[i];
    const bool after_cr = i > 0 && content[i - 1] == '\r';
    if (c == '\0' || (c == '\n') != after_cr) return {false, {}, 0};
    if (line_start && c == '.') wire.push_back('.');
    wire.push_back(c);
    line_start = c == '\n';
  }
  if (!content.empty() && content.back() == '\r') return {false, {}, 0};
  wire += line_start ? ".\r\n" : "\r\n.\r\n";
  return {true, wire, crc32c(content)};
}

TEST(ClientContentWriter, stuffs_dots_at_line_starts_only) {
  EXPECT_EQ(write(".\r\n.a\r\nb.\r\n..\r\n").wire, "..\r\n..a\r\nb.\r\n...\r\n.\r\n");
}

TEST(ClientContentWriter, ends_empty_content_with_the_dot_alone) {
  EXPECT_EQ(write("").wire, ".\r\n");
}

TEST(ClientContentWriter, ends_a_line_that_was_not_ended) {
  EXPECT_EQ(write("abc").wire, "abc\r\n.\r\n");
}

TEST(ClientContentWriter, passes_long_lines_on_as_they_are) {
  const std::string line(5000, 'x');
  EXPECT_EQ(write(line + "\r\n").wire, line + "\r\n.\r\n");
}

TEST(ClientContentWriter, copies_nothing) {
  const std::string content(1000, 'x');
  ClientContentWriter writer;
  ClientContentWriter::Pieces pieces;
  ASSERT_TRUE(writer.add(content, pieces));
  ASSERT_EQ(pieces.size(), 1u);
  EXPECT_EQ(pieces[0].data(), content.data());
}

// Every way to end the data early that a next hop might fall for (SMTP smuggling).
TEST(ClientContentWriter, refuses_every_smuggling_variant) {
  using namespace std::string_literals;
  for (const std::string& variant :
       {"\n.\n"s, "\n.\r\n"s, "\r.\r"s, "\r.\r\n"s, "\r\n.\n"s, "\r\n.\r"s, "\0\r\n.\r\n"s,
        "\r\n\0.\r\n"s, "\r\0\n.\r\n"s, "\r\n.\0\r\n"s, "\r\n.\r\0\n"s, "\r\n.\r\r\n"s,
        "\r\r\n.\r\r\n"s, "\n.\r"s, "\r.\n"s}) {
    const std::string content = "Subject: x\r\n\r\nbody" + variant + "MAIL FROM:<>\r\n";
    for (const std::size_t cut : {1u, 2u, 3u, 7u, 64u, 1000u}) {
      const Written written = write(content, {cut});
      EXPECT_FALSE(written.fit);
      EXPECT_EQ(written.wire.find("MAIL FROM"), std::string::npos);
      for (std::size_t i = 0; i < written.wire.size(); ++i) {
        const char c = written.wire[i];
        EXPECT_NE(c, '\0');
        if (c == '\n') {
          EXPECT_TRUE(i > 0 && written.wire[i - 1] == '\r');
        }
        if (c == '\r') {
          EXPECT_TRUE(i + 1 < written.wire.size() && written.wire[i + 1] == '\n');
        }
      }
    }
  }
}

TEST(ClientContentWriter, never_makes_an_end_of_data_of_content) {
  const Written written = write("a\r\n.\r\nQUIT\r\n.\r\n");
  EXPECT_EQ(written.wire.find("\r\n.\r\n"), written.wire.size() - 5);
}

TEST(ClientContentWriter, equals_the_naive_reference_however_it_is_cut) {
  const std::uint32_t seed = std::random_device{}();
  std::mt19937 random(seed);
  constexpr std::string_view common = "\r\n.\r\n.ab";
  int fit = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string content;
    const std::size_t length = random() % 200;
    const bool tidy = random() % 4 != 0;
    while (content.size() < length) {
      const auto kind = random() % 16;
      if (tidy && kind < 5) {
        content += "\r\n";
      } else if (kind < 12 || tidy) {
        content += tidy ? (random() % 2 == 0 ? "." : "x") : std::string(1, common[random() % 8]);
      } else {
        content.push_back(static_cast<char>(random()));
      }
    }
    std::vector<std::size_t> cuts;
    for (int i = 0; i < 3; ++i) cuts.push_back(1 + random() % 100);
    const Written expected = write_naively(content);
    const Written written = write(content, cuts);
    ASSERT_EQ(written.fit, expected.fit) << "seed " << seed;
    if (!expected.fit) continue;
    ++fit;
    ASSERT_EQ(written.wire, expected.wire) << "seed " << seed;
    ASSERT_EQ(written.crc32c, expected.crc32c) << "seed " << seed;
  }
  EXPECT_GT(fit, 1000);
}

}  // namespace
}  // namespace brevdue::smtp
