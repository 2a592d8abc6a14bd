#include "bench/load/reply_parser.h"

#include <string>

#include <gtest/gtest.h>

namespace brevdue::load {
namespace {

using Status = ReplyParser::Status;

TEST(ReplyParser, TakesOneLine) {
  ReplyParser parser;
  parser.feed("250 2.0.0 Ok\r\n");
  Reply reply;
  ASSERT_EQ(parser.next(reply), Status::reply);
  EXPECT_EQ(reply.code, 250);
  EXPECT_EQ(reply.text, "2.0.0 Ok");
  EXPECT_EQ(parser.next(reply), Status::incomplete);
}

TEST(ReplyParser, TakesManyLinesSplitAtEveryByte) {
  const std::string all = "250-mx\r\n250-PIPELINING\r\n250 SIZE\r\n354 go\r\n221\r\n";
  for (std::size_t split = 0; split <= all.size(); ++split) {
    ReplyParser parser;
    std::string seen;
    for (const auto& part : {all.substr(0, split), all.substr(split)}) {
      parser.feed(part);
      Reply reply;
      while (parser.next(reply) == Status::reply) {
        seen += std::to_string(reply.code) + "[" + reply.text + "]";
      }
    }
    EXPECT_EQ(seen, "250[mx\nPIPELINING\nSIZE]354[go]221[]") << "split at " << split;
  }
}

Status after(std::string_view bytes) {
  ReplyParser parser;
  parser.feed(bytes);
  Reply reply;
  return parser.next(reply);
}

TEST(ReplyParser, BreaksOnWhatIsNoReply) {
  EXPECT_EQ(after("250-one\r\n550 two\r\n"), Status::broken) << "codes differ";
  EXPECT_EQ(after("150 wait\r\n"), Status::broken);
  EXPECT_EQ(after("999 beyond\r\n"), Status::broken);
  EXPECT_EQ(after("hello\r\n"), Status::broken);
  EXPECT_EQ(after("25\r\n"), Status::broken);
  EXPECT_EQ(after("250_ok\r\n"), Status::broken);
  EXPECT_EQ(after("250 bare newline\n"), Status::broken);
  EXPECT_EQ(after("250 " + std::string(5000, 'x')), Status::broken) << "no end of line";
}

TEST(ReplyParser, BreaksOnLinesWithoutEnd) {
  ReplyParser parser;
  Reply reply;
  Status status = Status::incomplete;
  for (int i = 0; i < 1000 && status == Status::incomplete; ++i) {
    parser.feed("250-and then\r\n");
    status = parser.next(reply);
  }
  EXPECT_EQ(status, Status::broken);
  parser.feed("250 ok\r\n");
  EXPECT_EQ(parser.next(reply), Status::broken) << "it stays broken";
}

}  // namespace
}  // namespace brevdue::load
