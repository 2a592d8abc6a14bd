#include "config/address.h"

#include <gtest/gtest.h>

namespace brevdue::config {
namespace {

TEST(Address, HostAndPortAreTakenApart) {
  EXPECT_EQ(parse_host_port("192.0.2.1:25").value(), (HostPort{"192.0.2.1", 25, true}));
  EXPECT_EQ(parse_host_port("[2001:db8::1]:587").value(), (HostPort{"2001:db8::1", 587, true}));
  EXPECT_EQ(parse_host_port("mx.example.org:2526").value(),
            (HostPort{"mx.example.org", 2526, false}));
  EXPECT_EQ(parse_host_port("[mx.example.org]:25").value(),
            (HostPort{"mx.example.org", 25, false}));
}

TEST(Address, ADefaultPortMayBeLeftOut) {
  EXPECT_EQ(parse_host_port("mx", 25).value(), (HostPort{"mx", 25, false}));
  EXPECT_EQ(parse_host_port("::1", 53).value(), (HostPort{"::1", 53, true}));
  EXPECT_EQ(parse_host_port("[::1]", 53).value(), (HostPort{"::1", 53, true}));
  EXPECT_FALSE(parse_host_port("mx").has_value());
  EXPECT_FALSE(parse_host_port("::1").has_value());
  EXPECT_FALSE(parse_host_port("[::1]").has_value());
}

TEST(Address, NonsenseIsRefused) {
  for (const char* text : {"", ":25", "[]:25", "[::1:25", "[::1]x:25", "a b:25", "a:", "a:-1",
                           "a:65536", "a:25x", "999.1.1.1:25", "-a:25", "a..b:25", "[a]25"}) {
    EXPECT_FALSE(parse_host_port(text, 25).has_value()) << text;
  }
}

TEST(Address, SocketAddressesAreNumeric) {
  EXPECT_TRUE(parse_socket_address("0.0.0.0:0").has_value());
  EXPECT_TRUE(parse_socket_address("[::]:25").has_value());
  EXPECT_FALSE(parse_socket_address("localhost:25").has_value());
}

TEST(Address, HostNamesFollowRfc1123) {
  EXPECT_TRUE(is_host_name("a"));
  EXPECT_TRUE(is_host_name("3com.example"));
  EXPECT_TRUE(is_host_name(std::string(63, 'a') + ".example"));
  EXPECT_FALSE(is_host_name(std::string(64, 'a') + ".example"));
  EXPECT_FALSE(is_host_name("a."));
  EXPECT_FALSE(is_host_name("a_b"));
  EXPECT_FALSE(is_host_name("a-.b"));
  EXPECT_FALSE(is_host_name(std::string_view("a\0b", 3)));
}

TEST(Address, NetworksHaveNoBitsBehindTheirPrefix) {
  for (const char* text : {"0.0.0.0/0", "192.0.2.0/24", "192.0.2.1", "192.0.2.1/32", "::/0",
                           "2001:db8::/32", "::1", "::1/128", "fe80::/10"}) {
    EXPECT_TRUE(check_network(text).has_value()) << text;
  }
  for (const char* text : {"", "/8", "192.0.2.1/24", "2001:db8::1/64", "10.0.0.0/", "10.0.0.0/8x",
                           "::1/129", "host/8", "10.0.0.0/33"}) {
    EXPECT_FALSE(check_network(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace brevdue::config
