#include "dns/routing.h"

#include <set>

#include <gtest/gtest.h>

namespace brevdue::dns {
namespace {

class RoutingTest : public testing::Test {
 protected:
  std::mt19937_64 random{17};
};

TEST_F(RoutingTest, ByPreferenceAndEqualOnesShuffled) {
  const std::vector<MxRecord> records = {{20, "c"}, {10, "a"}, {10, "b"}, {5, "first"}, {10, "a"}};
  std::set<std::string> seconds;
  for (int i = 0; i < 100; ++i) {
    const auto order = in_order(records, 20, random);
    ASSERT_EQ(order.size(), 4U);
    EXPECT_EQ(order[0].host, "first");
    EXPECT_EQ(order[3].host, "c");
    seconds.insert(order[1].host);
  }
  EXPECT_EQ(seconds, (std::set<std::string>{"a", "b"}));
}

TEST_F(RoutingTest, DuplicateKeepsItsBestPreference) {
  const auto order = in_order({{30, "a"}, {10, "a"}, {20, "b"}}, 20, random);
  EXPECT_EQ(order, (std::vector<MxRecord>{{10, "a"}, {20, "b"}}));
}

TEST_F(RoutingTest, BoundsAndNullEntries) {
  EXPECT_EQ(in_order({{1, "a"}, {2, "b"}, {3, "c"}}, 2, random).size(), 2U);
  EXPECT_EQ(in_order({{0, ""}, {2, "b"}}, 20, random).size(), 1U);
  EXPECT_TRUE(is_null_mx({{0, ""}}));
  EXPECT_FALSE(is_null_mx({{0, ""}, {2, "b"}}));
  EXPECT_FALSE(is_null_mx({}));
}

TEST_F(RoutingTest, AddressFamilies) {
  using boost::asio::ip::make_address;
  const std::vector<Address> four = {make_address("192.0.2.1"), make_address("192.0.2.2")};
  const std::vector<Address> six = {make_address("2001:db8::1"), make_address("2001:db8::2")};
  const auto count_four = [](const std::vector<Address>& list) {
    return std::count_if(list.begin(), list.end(), [](const Address& a) { return a.is_v4(); });
  };
  auto list = in_order(four, six, AddressPreference::ipv6_first, 20, random);
  ASSERT_EQ(list.size(), 4U);
  EXPECT_TRUE(list[0].is_v6() && list[1].is_v6() && list[2].is_v4());
  list = in_order(four, six, AddressPreference::ipv4_first, 20, random);
  EXPECT_TRUE(list[0].is_v4() && list[3].is_v6());
  EXPECT_EQ(count_four(in_order(four, six, AddressPreference::ipv4_only, 20, random)), 2);
  EXPECT_EQ(in_order(four, six, AddressPreference::ipv4_only, 20, random).size(), 2U);
  EXPECT_EQ(count_four(in_order(four, six, AddressPreference::ipv6_only, 20, random)), 0);
  EXPECT_EQ(count_four(in_order(four, six, AddressPreference::ipv6_first, 2, random)), 1);
  EXPECT_EQ(in_order({}, six, AddressPreference::ipv4_first, 1, random).size(), 1U);
}

TEST(AddressLiteral, ReadsBothFamiliesAndRefusesTheRest) {
  EXPECT_FALSE(address_literal("example.com"));
  EXPECT_EQ((*address_literal("[192.0.2.1]"))->to_string(), "192.0.2.1");
  EXPECT_EQ((*address_literal("[IPv6:2001:db8::1]"))->to_string(), "2001:db8::1");
  EXPECT_EQ((*address_literal("[ipv6:::1]"))->to_string(), "::1");
  for (const char* bad : {"[", "[]", "[192.0.2]", "[192.0.2.1", "[2001:db8::1]", "[IPv6:192.0.2.1]",
                          "[IPv6:fe80::1%lo]", "[example.com]"}) {
    ASSERT_TRUE(address_literal(bad)) << bad;
    EXPECT_FALSE(address_literal(bad)->has_value()) << bad;
    EXPECT_TRUE(address_literal(bad)->error().permanent());
  }
}

TEST(QueryName, LowersAndConverts) {
  EXPECT_EQ(query_name("Example.COM."), "example.com");
  EXPECT_EQ(query_name("b\xc3\xbc"
                       "cher.example"),
            "xn--bcher-kva.example");
  for (const std::string& bad :
       {std::string(""), std::string("."), std::string("a..b"), std::string("a b"),
        std::string("a\0b", 3), std::string("\xff\xfe.example"), std::string(300, 'a'),
        std::string(64, 'a') + ".example", std::string("a/b"), std::string("a\\b")}) {
    EXPECT_FALSE(query_name(bad)) << bad;
  }
}

}  // namespace
}  // namespace brevdue::dns
