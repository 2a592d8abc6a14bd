// The resolver as delivery wants it: exchanges, or a reply that says why there are none.
#pragma once

#include <memory>
#include <random>
#include <string>

#include <boost/asio/any_io_executor.hpp>

#include "core/clock.h"
#include "delivery/exchange_lookup.h"
#include "dns/resolver.h"

namespace brevdue::daemon {

class DnsLookup final : public delivery::ExchangeLookup {
 public:
  // Throws std::runtime_error if the resolver cannot be set up: a name server that is no address.
  DnsLookup(boost::asio::any_io_executor executor, dns::ResolverOptions options,
            const Clock& clock);

  boost::asio::awaitable<delivery::Exchanges> exchanges(std::string domain) override;
  boost::asio::awaitable<delivery::Exchanges> addresses(std::string host) override;

 private:
  std::mt19937_64 random_;
  std::unique_ptr<dns::Resolver> resolver_;
};

}  // namespace brevdue::daemon
