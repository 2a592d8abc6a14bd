// A next hop as the scheduler names it: "relay:HOST", "relay:HOST:PORT" (HOST may stand in
// brackets, and must if it is an IPv6 address with a port), a domain, or an address literal
// ("[192.0.2.1]", "[IPv6:2001:db8::1]"; RFC 5321 4.1.3). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/ip/address.hpp>

#include "core/error.h"

namespace brevdue::delivery {

struct NextHop {
  std::string host;  // a name, or the address without brackets
  std::uint16_t port = 25;
  bool relay_host = false;  // take the host's addresses, never its MX
  std::optional<boost::asio::ip::address> literal;
};

// invalid_argument if `text` is none of these.
Result<NextHop> parse_next_hop(std::string_view text, std::uint16_t default_port);

}  // namespace brevdue::delivery
