#include "smtp/command_parser.h"

#include <gtest/gtest.h>

namespace brevdue::smtp {

TEST(CommandParserTest, SplitsVerbAndArgument) {
  const Command command = parse_command("mail  FROM:<a b>  ");
  EXPECT_EQ(command.verb, Verb::mail);
  EXPECT_EQ(command.word, "mail");
  EXPECT_EQ(command.argument, "FROM:<a b>");
}

TEST(CommandParserTest, OnlyASpaceEndsTheVerb) {
  EXPECT_EQ(parse_command("QUIT\t").verb, Verb::unknown);
  EXPECT_EQ(parse_command("MAILFROM:<a>").verb, Verb::unknown);
  EXPECT_EQ(parse_command(" QUIT").verb, Verb::unknown);
  EXPECT_EQ(parse_command("").verb, Verb::unknown);
}

TEST(CommandParserTest, CaseIsAsciiOnly) {
  EXPECT_EQ(parse_command("QuIt").verb, Verb::quit);
  // '[' and '{' differ by the bit that makes a letter small.
  EXPECT_FALSE(equal_ignoring_case("[", "{"));
  EXPECT_FALSE(equal_ignoring_case("@", "`"));
}

TEST(CommandParserTest, KnowsOtherProtocols) {
  EXPECT_EQ(parse_command("GET / HTTP/1.1").verb, Verb::foreign);
  EXPECT_EQ(parse_command("PRI * HTTP/2.0").verb, Verb::foreign);
}

TEST(CommandParserTest, FindsWhatFollowsTheKeyword) {
  EXPECT_EQ(after_keyword("from: <a>", "FROM:"), "<a>");
  EXPECT_EQ(after_keyword("FROM:", "FROM:"), "");
  EXPECT_EQ(after_keyword("FROM <a>", "FROM:"), std::nullopt);
  EXPECT_EQ(after_keyword("", "FROM:"), std::nullopt);
}

}  // namespace brevdue::smtp
