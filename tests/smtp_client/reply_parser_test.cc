#include "smtp/reply_parser.h"

#include <gtest/gtest.h>

namespace brevdue::smtp {
namespace {

using Status = ReplyParser::Status;

struct Fed {
  Status status;
  std::size_t consumed;
  ServerReply reply;
  std::string fault;
};

Fed feed_whole(std::string_view input) {
  ReplyParser parser;
  const auto progress = parser.feed(input);
  return {progress.status, progress.consumed, parser.reply(), std::string(parser.fault())};
}

Fed feed_bytewise(std::string_view input) {
  ReplyParser parser;
  for (std::size_t i = 0; i < input.size(); ++i) {
    const auto progress = parser.feed(input.substr(i, 1));
    if (progress.status != Status::incomplete) {
      return {progress.status, i + 1, parser.reply(), std::string(parser.fault())};
    }
  }
  return {Status::incomplete, input.size(), parser.reply(), {}};
}

TEST(ReplyParser, reads_one_line) {
  const Fed fed = feed_whole("250 2.1.5 Recipient ok\r\n");
  EXPECT_EQ(fed.status, Status::complete);
  EXPECT_EQ(fed.reply.code, 250);
  EXPECT_EQ(fed.reply.enhanced, "2.1.5");
  EXPECT_EQ(fed.reply.text, "250 2.1.5 Recipient ok");
}

TEST(ReplyParser, joins_the_lines_of_a_reply) {
  const Fed fed = feed_whole("550-5.1.1 No such user\r\n550 5.1.1 here\r\n");
  EXPECT_EQ(fed.reply.text, "550-5.1.1 No such user 550 5.1.1 here");
  EXPECT_EQ(fed.reply.lines, "5.1.1 No such user\n5.1.1 here\n");
}

TEST(ReplyParser, leaves_the_next_reply_where_it_is) {
  const std::string_view input = "250 a\r\n354 b\r\n";
  EXPECT_EQ(feed_whole(input).consumed, 7u);
}

TEST(ReplyParser, takes_a_code_without_text) {
  EXPECT_EQ(feed_whole("250\r\n").status, Status::complete);
  EXPECT_EQ(feed_whole("250-\r\n250 \r\n").status, Status::complete);
}

TEST(ReplyParser, starts_afresh_after_a_reply) {
  ReplyParser parser;
  EXPECT_EQ(parser.feed("550-5.1.1 x\r\n550 5.1.1 y\r\n").status, Status::complete);
  EXPECT_EQ(parser.feed("250 z\r\n").status, Status::complete);
  EXPECT_EQ(parser.reply().text, "250 z");
  EXPECT_EQ(parser.reply().enhanced, "");
}

TEST(ReplyParser, makes_text_printable) {
  const Fed fed = feed_whole("550 a\x1b[2J\tb\xc3\xa9\x7f\r\n");
  EXPECT_EQ(fed.reply.text, "550 a?[2J?b???");
}

TEST(ReplyParser, cuts_long_text) {
  std::string input;
  for (int i = 0; i < 20; ++i) input += "550-" + std::string(100, 'x') + "\r\n";
  const Fed fed = feed_whole(input + "550 end\r\n");
  EXPECT_EQ(fed.status, Status::complete);
  EXPECT_EQ(fed.reply.text.size(), 512u);
}

TEST(ReplyParser, believes_an_enhanced_code_of_the_same_class_only) {
  EXPECT_EQ(feed_whole("550 5.7.509 x\r\n").reply.enhanced, "5.7.509");
  EXPECT_EQ(feed_whole("450 5.7.1 x\r\n").reply.enhanced, "");
  EXPECT_EQ(feed_whole("550 5.7 x\r\n").reply.enhanced, "");
  EXPECT_EQ(feed_whole("550 5.7.1x y\r\n").reply.enhanced, "");
  EXPECT_EQ(feed_whole("550 5.1234.1 y\r\n").reply.enhanced, "");
  EXPECT_EQ(feed_whole("550 192.0.2.1 y\r\n").reply.enhanced, "");
}

TEST(ReplyParser, takes_a_line_up_to_the_bound_and_no_longer) {
  const std::string fits = "250 " + std::string(ReplyParser::line_bytes_max - 6, 'x') + "\r\n";
  EXPECT_EQ(feed_whole(fits).status, Status::complete);
  EXPECT_EQ(feed_bytewise(fits).status, Status::complete);
  const std::string over = "250 " + std::string(ReplyParser::line_bytes_max - 5, 'x') + "\r\n";
  EXPECT_EQ(feed_whole(over).status, Status::broken);
  EXPECT_EQ(feed_bytewise(over).status, Status::broken);
}

TEST(ReplyParser, takes_so_many_lines_and_no_more) {
  std::string lines;
  for (std::size_t i = 0; i + 1 < ReplyParser::lines_max; ++i) lines += "250-x\r\n";
  EXPECT_EQ(feed_whole(lines + "250 x\r\n").status, Status::complete);
  EXPECT_EQ(feed_whole(lines + "250-x\r\n250 x\r\n").status, Status::broken);
}

TEST(ReplyParser, keeps_no_more_than_a_line_of_an_endless_one) {
  ReplyParser parser;
  const std::string block(1000, 'x');
  Status status = Status::incomplete;
  std::size_t blocks = 0;
  while (status == Status::incomplete && ++blocks < 1000) status = parser.feed(block).status;
  EXPECT_EQ(status, Status::broken);
  EXPECT_LE(blocks, 3u);
}

struct BrokenCase {
  const char* name;
  std::string input;
};

class BrokenReply : public testing::TestWithParam<BrokenCase> {};

TEST_P(BrokenReply, is_a_protocol_error_however_it_is_cut) {
  const Fed whole = feed_whole(GetParam().input);
  EXPECT_EQ(whole.status, Status::broken);
  EXPECT_FALSE(whole.fault.empty());
  const Fed bytewise = feed_bytewise(GetParam().input);
  EXPECT_EQ(bytewise.status, Status::broken);
  EXPECT_EQ(bytewise.fault, whole.fault);
}

INSTANTIATE_TEST_SUITE_P(
    ReplyParser, BrokenReply,
    testing::Values(BrokenCase{"two_digits", "25 ok\r\n"}, BrokenCase{"four_digits", "2500 ok\r\n"},
                    BrokenCase{"one_hundred", "150 wait\r\n"},
                    BrokenCase{"six_hundred", "600 x\r\n"}, BrokenCase{"no_code", "Hello\r\n"},
                    BrokenCase{"empty_line", "\r\n"}, BrokenCase{"bare_lf", "250 ok\n"},
                    BrokenCase{"bare_cr", "250 o\rk\r\n"}, BrokenCase{"double_cr", "250 ok\r\r\n"},
                    BrokenCase{"nul", std::string("250 o\0k\r\n", 9)},
                    BrokenCase{"other_code", "250-a\r\n251 b\r\n"},
                    BrokenCase{"underscore", "250_a\r\n"}, BrokenCase{"plus", "+50 a\r\n"},
                    BrokenCase{"http", "HTTP/1.1 200 OK\r\n"}),
    [](const auto& info) { return info.param.name; });

TEST(ReplyParser, reads_nothing_after_a_protocol_error) {
  ReplyParser parser;
  EXPECT_EQ(parser.feed("junk\r\n").status, Status::broken);
  EXPECT_EQ(parser.feed("250 ok\r\n").status, Status::broken);
}

TEST(ReplyParser, reads_the_same_however_it_is_cut) {
  const std::string input = "250-mx.test\r\n250-SIZE 1000\r\n250-PIPELINING\r\n250 DSN\r\n";
  const Fed whole = feed_whole(input);
  for (std::size_t cut = 1; cut < input.size(); ++cut) {
    ReplyParser parser;
    EXPECT_EQ(parser.feed(input.substr(0, cut)).status, Status::incomplete);
    EXPECT_EQ(parser.feed(input.substr(cut)).status, Status::complete);
    EXPECT_EQ(parser.reply().lines, whole.reply.lines);
    EXPECT_EQ(parser.reply().text, whole.reply.text);
  }
}

}  // namespace
}  // namespace brevdue::smtp
