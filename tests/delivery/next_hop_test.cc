#include "delivery/next_hop.h"

#include <gtest/gtest.h>

namespace brevdue::delivery {
namespace {

struct Case {
  const char* text;
  const char* host;
  std::uint16_t port;
  bool relay_host;
  bool literal;
};

TEST(NextHop, is_a_relay_host_or_a_domain_or_an_address) {
  for (const Case& one : std::initializer_list<Case>{
           {"example.org", "example.org", 25, false, false},
           {"[192.0.2.1]", "192.0.2.1", 25, false, true},
           {"[IPv6:2001:db8::1]", "2001:db8::1", 25, false, true},
           {"relay:smart.example.org", "smart.example.org", 25, true, false},
           {"relay:smart.example.org:587", "smart.example.org", 587, true, false},
           {"relay:[smart.example.org]:587", "smart.example.org", 587, true, false},
           {"relay:127.0.0.1:2526", "127.0.0.1", 2526, true, true},
           {"relay:[::1]:2526", "::1", 2526, true, true},
           {"relay:[::1]", "::1", 25, true, true},
           {"relay:::1", "::1", 25, true, true}}) {
    const auto next_hop = parse_next_hop(one.text, 25);
    ASSERT_TRUE(next_hop) << one.text;
    EXPECT_EQ(next_hop->host, one.host) << one.text;
    EXPECT_EQ(next_hop->port, one.port) << one.text;
    EXPECT_EQ(next_hop->relay_host, one.relay_host) << one.text;
    EXPECT_EQ(next_hop->literal.has_value(), one.literal) << one.text;
  }
}

TEST(NextHop, is_nothing_else) {
  for (const char* bad :
       {"", "relay:", "relay::25", "relay:a:0", "relay:a:65536", "relay:a:", "relay:a:x",
        "relay:a:25x", "relay:[::1]25", "relay:[::1", "[example.org]", "[192.0.2.1]:25", "a b",
        "a\r\nb", "a:25", "relay:a:b:25"}) {
    EXPECT_FALSE(parse_next_hop(bad, 25)) << bad;
  }
}

}  // namespace
}  // namespace brevdue::delivery
