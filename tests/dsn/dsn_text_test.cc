#include "mail/dsn_text.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace brevdue::mail {
namespace {

TEST(Printable, KeepsAsciiAndReplacesTheRest) {
  EXPECT_EQ(printable("a\tb\r\nc\x7f", false), "a b??c?");
  EXPECT_EQ(printable("caf\xc3\xa9", false), "caf??");
  EXPECT_EQ(printable("caf\xc3\xa9", true), "caf\xc3\xa9");
}

TEST(Printable, ReplacesWhatIsNotUtf8) {
  EXPECT_EQ(printable("\xc3", true), "?");
  EXPECT_EQ(printable("\xc0\xaf", true), "??");
  EXPECT_EQ(printable("\xed\xa0\x80", true), "???");
  EXPECT_EQ(printable("\xf4\x90\x80\x80", true), "????");
  EXPECT_EQ(printable("\xe2\x82\xac\xf0\x9f\x93\xab", true), "\xe2\x82\xac\xf0\x9f\x93\xab");
  EXPECT_EQ(printable("\xc2\x85", true), "?");  // NEL, a C1 control
}

TEST(HeaderField, FoldsAtSpaces) {
  EXPECT_EQ(header_field("A", "b c"), "A: b c\r\n");
  const std::string folded =
      header_field("Name", std::string(60, 'x') + " " + std::string(60, 'y'));
  EXPECT_EQ(folded, "Name: " + std::string(60, 'x') + "\r\n " + std::string(60, 'y') + "\r\n");
}

TEST(HeaderField, BreaksAWordThatFitsNoLine) {
  const std::string field = header_field("N", std::string(3000, 'x'));
  std::size_t start = 0;
  std::size_t letters = 0;
  while (start < field.size()) {
    const std::size_t end = field.find("\r\n", start);
    ASSERT_NE(end, std::string::npos);
    EXPECT_LE(end - start, 998U);
    if (start > 0) EXPECT_EQ(field[start], ' ');
    letters += static_cast<std::size_t>(std::count(field.begin() + static_cast<long>(start),
                                                   field.begin() + static_cast<long>(end), 'x'));
    start = end + 2;
  }
  EXPECT_EQ(letters, 3000U);
}

TEST(HeaderField, BreaksAtTheStartOfACharacter) {
  std::string value;
  for (int i = 0; i < 2000; ++i) value += "\xe2\x82\xac";
  std::string unfolded = header_field("N", value);
  for (auto at = unfolded.find("\r\n "); at != std::string::npos; at = unfolded.find("\r\n ")) {
    EXPECT_NE(static_cast<unsigned char>(unfolded[at + 3]) & 0xc0, 0x80);
    unfolded.erase(at, 3);
  }
  EXPECT_EQ(unfolded, "N:" + value + "\r\n");
}

TEST(HeaderField, EmptyAndBlankValues) {
  EXPECT_EQ(header_field("A", ""), "A:\r\n");
  EXPECT_EQ(header_field("A", "b   "), "A: b\r\n");
}

TEST(HeaderLines, StopsAtTheEmptyLineAndAtTheLimit) {
  EXPECT_EQ(header_lines("A: b\r\nC: d\r\n\r\nbody", 1000, false), "A: b\r\nC: d\r\n");
  EXPECT_EQ(header_lines("A: b\r\nC: d\r\n\r\n", 8, false), "A: b\r\n");
  EXPECT_EQ(header_lines("no end", 1000, false), "no end\r\n");
  EXPECT_EQ(header_lines("", 1000, false), "");
}

TEST(Xtext, Decodes) {
  EXPECT_EQ(decode_xtext("a+40b+2B"), "a@b+");
  EXPECT_EQ(decode_xtext("a+4"), "a+4");
  EXPECT_EQ(decode_xtext("a+zz+"), "a+zz+");
}

}  // namespace
}  // namespace brevdue::mail
