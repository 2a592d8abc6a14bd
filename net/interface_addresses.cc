#include "net/interface_addresses.h"

#include <cerrno>
#include <cstring>
#include <memory>

#include <ifaddrs.h>
#include <netinet/in.h>

namespace brevdue::net {

Result<std::vector<boost::asio::ip::address>> interface_addresses() {
  namespace ip = boost::asio::ip;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return fail_os(errno, "getifaddrs");
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(list, &::freeifaddrs);
  std::vector<ip::address> addresses;
  for (const ifaddrs* at = list; at != nullptr; at = at->ifa_next) {
    if (at->ifa_addr == nullptr) continue;
    if (at->ifa_addr->sa_family == AF_INET) {
      sockaddr_in v4{};
      std::memcpy(&v4, at->ifa_addr, sizeof v4);
      addresses.emplace_back(ip::address_v4(ntohl(v4.sin_addr.s_addr)));
    } else if (at->ifa_addr->sa_family == AF_INET6) {
      sockaddr_in6 v6{};
      std::memcpy(&v6, at->ifa_addr, sizeof v6);
      ip::address_v6::bytes_type bytes;
      std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
      addresses.emplace_back(ip::address_v6(bytes));
    }
  }
  return addresses;
}

}  // namespace brevdue::net
