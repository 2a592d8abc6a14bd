#include "delivery/route.h"

#include <algorithm>

#include <fmt/format.h>

namespace brevdue::delivery {

std::string RelayAddress::peer() const {
  return fmt::format("{}[{}]", host, endpoint.address().to_string());
}

std::string RelayAddress::relay() const {
  return fmt::format("{}[{}]:{}", host, endpoint.address().to_string(), endpoint.port());
}

static bool same_host(std::string_view a, std::string_view b) {
  if (a.ends_with('.')) a.remove_suffix(1);
  if (b.ends_with('.')) b.remove_suffix(1);
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

static bool is_ourselves(const Exchange& exchange, const RelayOptions& options) {
  if (same_host(exchange.host, options.hostname)) return true;
  return std::ranges::any_of(exchange.addresses, [&](const auto& address) {
    return std::ranges::find(options.own_addresses, address) != options.own_addresses.end();
  });
}

Route mx_route(std::string_view domain, std::vector<Exchange> exchanges,
               const RelayOptions& options) {
  const auto ourselves = std::ranges::find_if(
      exchanges, [&](const Exchange& exchange) { return is_ourselves(exchange, options); });
  if (ourselves != exchanges.end()) {
    const std::uint16_t preference = ourselves->preference;
    std::erase_if(exchanges, [preference](const Exchange& exchange) {
      return exchange.preference >= preference;
    });
    if (exchanges.empty()) {
      return std::unexpected(
          mail::Reply{554, "5.4.6", fmt::format("mail for {} loops back to myself", domain)});
    }
  }
  std::vector<RelayAddress> addresses;
  for (Exchange& exchange : exchanges) {
    for (const auto& address : exchange.addresses) {
      if (addresses.size() == options.addresses_max) return addresses;
      addresses.push_back({exchange.host, {address, options.port}});
    }
  }
  if (!addresses.empty()) return addresses;
  return std::unexpected(
      mail::Reply{451, "4.4.3", fmt::format("no exchange of {} has an address", domain)});
}

Route host_route(const Exchange& host, std::uint16_t port, std::uint32_t addresses_max) {
  std::vector<RelayAddress> addresses;
  for (const auto& address : host.addresses) {
    if (addresses.size() < addresses_max) addresses.push_back({host.host, {address, port}});
  }
  if (!addresses.empty()) return addresses;
  return std::unexpected(
      mail::Reply{451, "4.4.3", fmt::format("host {} has no address", host.host)});
}

}  // namespace brevdue::delivery
