// What a resolution gives: the exchanges to try in order (RFC 5321 5.1), or why there are none in
// the words of an SMTP reply. Immutable values.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include <boost/asio/ip/address.hpp>

namespace brevdue::dns {

using Address = boost::asio::ip::address;

struct Exchange {
  std::string host;  // lower case, without a final dot; for a literal the address as text
  std::uint16_t preference = 0;
  std::vector<Address> addresses;  // in the order to try, at least one

  bool operator==(const Exchange&) const = default;
};
using ExchangeList = std::vector<Exchange>;  // in the order to try, at least one

// The makings of a reply: "556 5.1.10 Domain does not accept mail (null MX)".
struct ResolutionFailure {
  int code;              // 4xx: try again; 5xx: permanent
  std::string enhanced;  // RFC 3463
  std::string text;      // one line of ASCII

  bool permanent() const { return code >= 500; }
  bool operator==(const ResolutionFailure&) const = default;
};

template <class T>
using Resolution = std::expected<T, ResolutionFailure>;

enum class AddressPreference : std::uint8_t { ipv6_first, ipv4_first, ipv6_only, ipv4_only };

}  // namespace brevdue::dns
