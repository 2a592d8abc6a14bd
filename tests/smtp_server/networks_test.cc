#include "smtp/networks.h"

#include <gtest/gtest.h>

namespace brevdue::smtp {

static bool within(std::string_view network, std::string_view address) {
  return Network::parse(network)->contains(*IpAddress::parse(address));
}

TEST(NetworksTest, AddressesHaveOneSpelling) {
  EXPECT_EQ(IpAddress::parse("::ffff:192.0.2.1"), IpAddress::parse("192.0.2.1"));
  EXPECT_EQ(IpAddress::parse("2001:DB8:0::1")->text(), "2001:db8::1");
  EXPECT_EQ(IpAddress::parse("2001:db8::1")->literal(), "IPv6:2001:db8::1");
  EXPECT_EQ(IpAddress::parse("192.0.2.1")->literal(), "192.0.2.1");
  for (const std::string_view text :
       {"", "192.0.2", "192.0.2.256", "[::1]", "::1%lo", "localhost"}) {
    EXPECT_EQ(IpAddress::parse(text), std::nullopt) << text;
  }
}

TEST(NetworksTest, ContainsByPrefix) {
  EXPECT_TRUE(within("192.0.2.0/24", "192.0.2.255"));
  EXPECT_FALSE(within("192.0.2.0/24", "192.0.3.0"));
  EXPECT_TRUE(within("192.0.2.128/25", "192.0.2.129"));
  EXPECT_FALSE(within("192.0.2.128/25", "192.0.2.127"));
  EXPECT_TRUE(within("192.0.2.1", "192.0.2.1"));
  EXPECT_FALSE(within("192.0.2.1", "192.0.2.2"));
  EXPECT_TRUE(within("2001:db8::/33", "2001:db8:7fff::1"));
  EXPECT_FALSE(within("2001:db8::/33", "2001:db8:8000::1"));
}

TEST(NetworksTest, EveryIpv4AddressIsNotEveryIpv6Address) {
  EXPECT_TRUE(within("0.0.0.0/0", "203.0.113.9"));
  EXPECT_FALSE(within("0.0.0.0/0", "2001:db8::1"));
  EXPECT_TRUE(within("::/0", "203.0.113.9"));
  EXPECT_TRUE(within("::ffff:10.0.0.0/104", "10.1.2.3"));
}

TEST(NetworksTest, RefusesWhatIsNoNetwork) {
  for (const std::string_view text : {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1",
                                      "10.0.0.0/8x", "10.0.0.1/8", "2001:db8::/129", "host/8"}) {
    EXPECT_FALSE(Network::parse(text).has_value()) << text;
  }
  EXPECT_FALSE(Networks::parse({"127.0.0.0/8", "127.0.0.1/8"}).has_value());
}

}  // namespace brevdue::smtp
