#include "smtp/address.h"

#include <string>

#include <gtest/gtest.h>

namespace brevdue::smtp {

TEST(AddressTest, ReadsPaths) {
  struct Case {
    std::string_view text;
    std::string_view mailbox;
  };
  for (const auto& [text, mailbox] : {
           Case{"<a@example.org>", "a@example.org"},
           Case{"<>", ""},
           Case{"<postmaster>", "postmaster"},
           Case{"<a.b+c@x-y.example>", "a.b+c@x-y.example"},
           Case{"<!#$%&'*+-/=?^_`{|}~@a>", "!#$%&'*+-/=?^_`{|}~@a"},
           Case{"<\"a b\"@c>", "\"a b\"@c"},
           Case{"<\"ab\"@c>", "ab@c"},
           Case{"<\"\\a\\b\"@c>", "ab@c"},
           Case{"<\"a\\\"b\\\\\"@c>", "\"a\\\"b\\\\\"@c"},
           Case{"<\"\"@c>", "\"\"@c"},
           Case{"<\".a\"@c>", "\".a\"@c"},
           Case{"<\"a@b\"@c>", "\"a@b\"@c"},
           Case{"<\"a>b\"@c>", "\"a>b\"@c"},
           Case{"<@a,@b:c@d>", "c@d"},
           Case{"<@[192.0.2.1]:c@d>", "c@d"},
           Case{"<a@[192.0.2.1]>", "a@[192.0.2.1]"},
           Case{"<a@[ipv6:2001:DB8::1]>", "a@[IPv6:2001:DB8::1]"},
           Case{"<a@under_score.example>", "a@under_score.example"},
           Case{"<\xc3\xa9@\xc3\xa4.example>", "\xc3\xa9@\xc3\xa4.example"},
       }) {
    const auto path = parse_path(text);
    ASSERT_TRUE(path.has_value()) << text;
    EXPECT_EQ(path->mailbox, mailbox);
    EXPECT_EQ(path->bytes, text.size());
  }
}

TEST(AddressTest, StopsBehindThePath) {
  const auto path = parse_path("<\"a> b\"@c> SIZE=1");
  ASSERT_TRUE(path.has_value());
  EXPECT_EQ(path->bytes, 10u);
  EXPECT_TRUE(path->has_domain);
  EXPECT_FALSE(path->utf8);
}

TEST(AddressTest, RefusesWhatIsNoPath) {
  for (const std::string_view text : {"",
                                      "<",
                                      "a@b",
                                      "<a@b",
                                      "<a@>",
                                      "<@b>",
                                      "<a@@b>",
                                      "<a@b@c>",
                                      "<a b@c>",
                                      "<a@b c>",
                                      "<.a@b>",
                                      "<a.@b>",
                                      "<a..b@c>",
                                      "<a@.b>",
                                      "<a@b.>",
                                      "<a@b..c>",
                                      "<a@-b>",
                                      "<a@b->",
                                      "<\"a@b>",
                                      "<\"a\\",
                                      "<\"a\"b@c>",
                                      "<a@[1.2.3]>",
                                      "<a@[1.2.3.4>",
                                      "<a@[IPv6:1.2.3.4]>",
                                      "<a@[::1]>",
                                      "<a@[x-tag:y]>",
                                      "<@a>",
                                      "<@a:>",
                                      "<@a,b:c@d>",
                                      "<@a@b:c@d>",
                                      "<a(c)@d>",
                                      "<a,b@c>",
                                      "<a@b,c>",
                                      "<<a@b>>",
                                      "< a@b>",
                                      "<a@b >",
                                      "<\xff@b>",
                                      "<a@\xc3>",
                                      "<\xed\xa0\x80@b>",
                                      "<\xc0\xaf@b>",
                                      "<\xc2\x85@b>"}) {
    EXPECT_FALSE(parse_path(text).has_value()) << text;
  }
}

TEST(AddressTest, NamesControlCharacters) {
  for (const std::string_view text :
       {"<a\x01@b>", "<a@b\x7f>", "<\"a\tb\"@c>", "<\"a\\\tb\"@c>", "<a@[1.2.3.4\x01]>"}) {
    const auto path = parse_path(text);
    ASSERT_FALSE(path.has_value()) << text;
    EXPECT_EQ(path.error(), PathFault::control_character) << text;
  }
}

TEST(AddressTest, KnowsWellFormedUtf8) {
  EXPECT_TRUE(is_utf8("plain"));
  EXPECT_TRUE(is_utf8("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"));
  EXPECT_FALSE(is_utf8("\x80"));
  EXPECT_FALSE(is_utf8("\xc3"));
  EXPECT_FALSE(is_utf8("\xe0\x80\xaf"));
  EXPECT_FALSE(is_utf8("\xf4\x90\x80\x80"));
  EXPECT_FALSE(is_utf8("\xf8\x88\x80\x80\x80"));
}

}  // namespace brevdue::smtp
