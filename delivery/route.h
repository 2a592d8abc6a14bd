// Where an attempt may go: the addresses of the next hop's exchanges, in the order to try.
//
// RFC 5321 5.1: an exchange that is ourselves, and all that are preferred no more than it, are left
// out; with none left, mail loops back. Pure.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/ip/tcp.hpp>

#include "delivery/exchange_lookup.h"
#include "delivery/relay_options.h"
#include "mail/reply.h"

namespace brevdue::delivery {

struct RelayAddress {
  std::string host;
  boost::asio::ip::tcp::endpoint endpoint;

  std::string peer() const;   // "mx.example.org[192.0.2.1]"
  std::string relay() const;  // the same with ":25"
};

using Route = std::expected<std::vector<RelayAddress>, mail::Reply>;

// The addresses of exchanges found by MX, ordered, at most `addresses_max`.
Route mx_route(std::string_view domain, std::vector<Exchange> exchanges,
               const RelayOptions& options);
// Those of one host, whoever it is: the operator named it.
Route host_route(const Exchange& host, std::uint16_t port, std::uint32_t addresses_max);

}  // namespace brevdue::delivery
