#include "delivery/route.h"

#include <gtest/gtest.h>

namespace brevdue::delivery {
namespace {

using boost::asio::ip::make_address;

RelayOptions options() {
  RelayOptions options;
  options.hostname = "mx.here.test";
  options.own_addresses = {make_address("192.0.2.99")};
  return options;
}

std::string hosts_of(const Route& route) {
  if (!route) return route.error().line();
  std::string hosts;
  for (const RelayAddress& address : *route) hosts += address.relay() + " ";
  return hosts;
}

TEST(Route, holds_every_address_in_order) {
  EXPECT_EQ(hosts_of(mx_route("d.test",
                              {{"a", 10, {make_address("192.0.2.1"), make_address("2001:db8::1")}},
                               {"b", 20, {make_address("192.0.2.2")}}},
                              options())),
            "a[192.0.2.1]:25 a[2001:db8::1]:25 b[192.0.2.2]:25 ");
}

TEST(Route, ends_before_ourselves_by_name) {
  EXPECT_EQ(hosts_of(mx_route("d.test",
                              {{"a", 10, {make_address("192.0.2.1")}},
                               {"b", 20, {make_address("192.0.2.2")}},
                               {"MX.here.test", 20, {make_address("192.0.2.3")}},
                               {"c", 30, {make_address("192.0.2.4")}}},
                              options())),
            "a[192.0.2.1]:25 ");
}

TEST(Route, ends_before_ourselves_by_address) {
  EXPECT_EQ(hosts_of(mx_route(
                "d.test",
                {{"a", 10, {make_address("192.0.2.1")}}, {"b", 20, {make_address("192.0.2.99")}}},
                options())),
            "a[192.0.2.1]:25 ");
}

TEST(Route, loops_where_we_are_the_best) {
  EXPECT_EQ(hosts_of(mx_route("d.test",
                              {{"mx.here.test", 10, {make_address("192.0.2.1")}},
                               {"b", 20, {make_address("192.0.2.2")}}},
                              options())),
            "554 5.4.6 mail for d.test loops back to myself");
}

TEST(Route, is_bounded) {
  RelayOptions bounded = options();
  bounded.addresses_max = 1;
  const std::vector<Exchange> exchanges{{"a", 10, {make_address("192.0.2.1")}},
                                        {"b", 20, {make_address("192.0.2.2")}}};
  EXPECT_EQ(hosts_of(mx_route("d.test", exchanges, bounded)), "a[192.0.2.1]:25 ");
}

TEST(Route, to_a_relay_host_may_be_ourselves) {
  EXPECT_EQ(hosts_of(host_route({"mx.here.test", 0, {make_address("192.0.2.99")}}, 2526, 5)),
            "mx.here.test[192.0.2.99]:2526 ");
}

}  // namespace
}  // namespace brevdue::delivery
