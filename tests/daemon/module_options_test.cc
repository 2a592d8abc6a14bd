#include "daemon/module_options.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "config/load.h"

namespace brevdue::daemon {
namespace {

std::vector<boost::asio::ip::address> own_addresses(const std::string& listener) {
  config::Config config = config::defaults({"mx.example.org", 2});
  config.listen = {{listener}};
  return relay_options(config).own_addresses;
}

bool has(const std::vector<boost::asio::ip::address>& addresses, const char* address) {
  return std::ranges::find(addresses, boost::asio::ip::make_address(address)) != addresses.end();
}

TEST(ModuleOptions, AListenerOnOneAddressIsThatAddress) {
  const auto addresses = own_addresses("192.0.2.1:25");
  ASSERT_EQ(addresses.size(), 1U);
  EXPECT_TRUE(has(addresses, "192.0.2.1"));
}

TEST(ModuleOptions, AListenerOnAnyAddressIsEveryInterface) {
  const auto addresses = own_addresses("0.0.0.0:25");
  EXPECT_TRUE(has(addresses, "127.0.0.1"));
  EXPECT_TRUE(std::ranges::all_of(addresses, [](const auto& address) { return address.is_v4(); }));
  EXPECT_TRUE(has(own_addresses("[::]:25"), "127.0.0.1"));
}

TEST(ModuleOptions, AListenerOnAnotherPortIsNotWhereMailWouldComeBack) {
  EXPECT_TRUE(own_addresses("0.0.0.0:2525").empty());
}

}  // namespace
}  // namespace brevdue::daemon
