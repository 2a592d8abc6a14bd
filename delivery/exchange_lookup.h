// What delivery asks of the resolver: where mail for a domain goes, and where a host is.
//
// An answer is either exchanges in the order in which they are to be tried (by preference, equal
// ones shuffled; an exchange whose addresses cannot be found is left out unless it is the last), or
// a reply that says why there are none: 4xx to try again, 5xx to fail the recipients. Called in the
// loop thread; the callee keeps its own deadline.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/address.hpp>

#include "mail/reply.h"

namespace brevdue::delivery {

struct Exchange {
  std::string host;  // as the log names it
  std::uint16_t preference = 0;
  std::vector<boost::asio::ip::address> addresses;  // in the order to try, not empty
};

using Exchanges = std::expected<std::vector<Exchange>, mail::Reply>;

class ExchangeLookup {
 public:
  virtual ~ExchangeLookup() = default;
  // RFC 5321 5.1: the MX records of a domain, or the domain itself where it has none.
  virtual boost::asio::awaitable<Exchanges> exchanges(std::string domain) = 0;
  // A host by its name, for a relay host: one exchange.
  virtual boost::asio::awaitable<Exchanges> addresses(std::string host) = 0;
};

// RFC 7505 3: the domain's only MX is the root, so it takes no mail.
inline mail::Reply null_mx_reply(std::string_view domain) {
  return {556, "5.1.10", "Domain " + std::string(domain) + " does not accept mail (nullMX)"};
}

}  // namespace brevdue::delivery
