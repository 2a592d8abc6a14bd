#include "dns/answer.h"

#include <random>

#include <gtest/gtest.h>

#include "tests/dns/fake_zone.h"

namespace brevdue::dns {
namespace {

using namespace std::chrono_literals;

std::string question(std::string_view name, RecordType type) {
  std::string out("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00", 12);
  while (!name.empty()) {
    const std::size_t end = std::min(name.find('.'), name.size());
    out += static_cast<char>(end);
    out += name.substr(0, end);
    name.remove_prefix(std::min(end + 1, name.size()));
  }
  out += std::string("\0\0", 2);
  out += static_cast<char>(type);
  out += std::string("\0\x01", 2);
  return out;
}

class AnswerTest : public testing::Test {
 protected:
  std::string raw(std::string_view name, RecordType type) {
    return zone.answer(question(name, type), false).bytes;
  }
  Answer parse(std::string_view name, RecordType type) {
    const auto answer = parse_answer(raw(name, type), name, type);
    EXPECT_TRUE(answer) << name;
    return answer.value_or(Answer{});
  }
  const FakeZone zone = FakeZone::parse(R"(
    example.com      MX 10 MX1.Example.com
    example.com      MX 20 mx2.example.com
    mx1.example.com  A 192.0.2.1
    mx1.example.com  AAAA 2001:db8::1
    null.example     MX 0 .
    odd.example      MX 10 bad/host.example
    $TTL 60
    alias.example    CNAME example.com
    loop1.example    CNAME loop2.example
    loop2.example    CNAME loop1.example
    lost.example     CNAME nowhere.example
    far.example      CNAME elsewhere.example
    far.example      ! no-chase
    zero.example     ! servfail
    refused.example  ! refused
    $TTL 2147483648
    big.example      A 192.0.2.9
  )")
                            .value();
};

TEST_F(AnswerTest, ReadsExchanges) {
  const Answer answer = parse("Example.COM", RecordType::mx);
  EXPECT_EQ(answer.kind, Answer::Kind::found);
  EXPECT_EQ(answer.exchanges,
            (std::vector<MxRecord>{{10, "mx1.example.com"}, {20, "mx2.example.com"}}));
  EXPECT_EQ(answer.ttl, 300s);
}

TEST_F(AnswerTest, ReadsAddresses) {
  EXPECT_EQ(parse("mx1.example.com", RecordType::a).addresses.at(0).to_string(), "192.0.2.1");
  EXPECT_EQ(parse("mx1.example.com", RecordType::aaaa).addresses.at(0).to_string(), "2001:db8::1");
}

TEST_F(AnswerTest, NullMxHasAnEmptyHost) {
  EXPECT_EQ(parse("null.example", RecordType::mx).exchanges, (std::vector<MxRecord>{{0, ""}}));
}

TEST_F(AnswerTest, FollowsAliasesAndTakesTheLeastTtl) {
  const Answer answer = parse("alias.example", RecordType::mx);
  EXPECT_EQ(answer.exchanges.size(), 2U);
  EXPECT_EQ(answer.ttl, 60s);
}

TEST_F(AnswerTest, CircularAliasesFail) {
  EXPECT_EQ(parse("loop1.example", RecordType::mx).kind, Answer::Kind::failure);
}

TEST_F(AnswerTest, AliasThatTheServerDidNotFollow) {
  const Answer answer = parse("far.example", RecordType::a);
  EXPECT_EQ(answer.kind, Answer::Kind::alias);
  EXPECT_EQ(answer.alias, "elsewhere.example");
}

TEST_F(AnswerTest, AbsenceLastsAsLongAsTheSoaSays) {
  Answer answer = parse("nowhere.example", RecordType::mx);
  EXPECT_EQ(answer.kind, Answer::Kind::no_name);
  EXPECT_EQ(answer.ttl, 60s);
  answer = parse("mx1.example.com", RecordType::mx);
  EXPECT_EQ(answer.kind, Answer::Kind::no_record);
  EXPECT_EQ(answer.ttl, 60s);
  EXPECT_EQ(parse("lost.example", RecordType::mx).kind, Answer::Kind::no_name);
}

TEST_F(AnswerTest, FailuresSayWhy) {
  EXPECT_EQ(parse("zero.example", RecordType::mx).reason, "server failure");
  EXPECT_EQ(parse("refused.example", RecordType::mx).reason, "refused");
}

TEST_F(AnswerTest, HostThatCannotBeOneIsLeftOut) {
  EXPECT_EQ(parse("odd.example", RecordType::mx).kind, Answer::Kind::no_record);
}

TEST_F(AnswerTest, TtlWithTheTopBitIsZero) {
  const Answer answer = parse("big.example", RecordType::a);
  EXPECT_EQ(answer.kind, Answer::Kind::found);
  EXPECT_EQ(answer.ttl, 0s);
}

TEST_F(AnswerTest, AnAnswerToAnotherQuestionIsNone) {
  EXPECT_FALSE(parse_answer(raw("example.com", RecordType::mx), "other.com", RecordType::mx));
  EXPECT_FALSE(parse_answer(raw("example.com", RecordType::mx), "example.com", RecordType::a));
  EXPECT_FALSE(
      parse_answer(question("example.com", RecordType::mx), "example.com", RecordType::mx));
  EXPECT_FALSE(parse_answer("", "example.com", RecordType::mx));
}

TEST_F(AnswerTest, EveryPrefixAndEveryFlipIsSafe) {
  const std::string whole = raw("alias.example", RecordType::mx);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(parse_answer(whole.substr(0, size), "alias.example", RecordType::mx)) << size;
  }
  std::mt19937_64 random(23);
  for (int i = 0; i < 20'000; ++i) {
    std::string damaged = whole;
    for (std::uint64_t flips = 1 + random() % 4; flips > 0; --flips) {
      damaged[random() % damaged.size()] = static_cast<char>(random());
    }
    const auto answer = parse_answer(damaged, "alias.example", RecordType::mx);
    if (!answer) continue;
    for (const MxRecord& exchange : answer->exchanges) {
      EXPECT_TRUE(exchange.host.empty() || is_host_name(exchange.host));
    }
  }
}

TEST(HostName, WhatIsOne) {
  for (const char* good : {"a", "mx.example.com", "xn--bcher-kva.example", "_25._tcp.x", "1.2"}) {
    EXPECT_TRUE(is_host_name(good)) << good;
  }
  for (const std::string& bad : {std::string(""), std::string("."), std::string("a."),
                                 std::string("a..b"), std::string("a b"), std::string(64, 'a')}) {
    EXPECT_FALSE(is_host_name(bad)) << bad;
  }
}

}  // namespace
}  // namespace brevdue::dns
