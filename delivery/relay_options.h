// The settings of Relay. All bounds are for one delivery process.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <boost/asio/ip/address.hpp>

#include "smtp/client_deadline.h"

namespace brevdue::delivery {

struct RelayOptions {
  std::string hostname;     // for EHLO, and to know ourselves among the exchanges
  std::uint16_t port = 25;  // of exchanges, and of a relay host that names none
  // Where this system takes mail on `port`: an exchange there is ourselves.
  std::vector<boost::asio::ip::address> own_addresses;
  smtp::ClientDeadlines deadlines;
  std::chrono::milliseconds connection_idle = std::chrono::seconds(5);
  std::uint32_t messages_per_connection_max = 0;  // 0: no bound
  std::uint32_t connections_max = 500;            // busy and idle
  std::uint32_t addresses_max = 5;                // tried in one attempt
};

}  // namespace brevdue::delivery
