// The addresses of this machine's network interfaces, IPv4 and IPv6, as they are at the time of the
// call; a scoped address comes without its scope, as DNS would give it. Any thread.
#pragma once

#include <vector>

#include <boost/asio/ip/address.hpp>

#include "core/error.h"

namespace brevdue::net {

Result<std::vector<boost::asio::ip::address>> interface_addresses();

}  // namespace brevdue::net
