#include "daemon/route_finder.h"

#include <exception>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "core/clock.h"
#include "daemon/dns_lookup.h"
#include "daemon/module_options.h"
#include "delivery/next_hop.h"

namespace brevdue::daemon {

static boost::asio::awaitable<void> look_up(delivery::NextHop next_hop, std::string domain,
                                            const delivery::RelayOptions& options,
                                            delivery::ExchangeLookup& lookup, FoundRoute& found) {
  delivery::Exchanges exchanges;
  if (next_hop.literal) {
    exchanges = std::vector{delivery::Exchange{next_hop.host, 0, {*next_hop.literal}}};
  } else if (next_hop.relay_host) {
    exchanges = co_await lookup.addresses(next_hop.host);
  } else {
    exchanges = co_await lookup.exchanges(next_hop.host);
  }
  if (!exchanges) {
    found.route = std::unexpected(exchanges.error());
  } else if (next_hop.relay_host || next_hop.literal) {
    found.route = delivery::host_route(exchanges->front(), next_hop.port, options.addresses_max);
  } else {
    found.route = delivery::mx_route(domain, std::move(*exchanges), options);
  }
}

Result<FoundRoute> find_route(const config::Config& config, const std::string& domain) {
  const delivery::RelayOptions options = relay_options(config);
  const std::string& relay_host = config.delivery.relay_host;
  const std::string text = relay_host.empty() ? domain : "relay:" + relay_host;
  auto next_hop = delivery::parse_next_hop(text, options.port);
  if (!next_hop) return propagate(std::move(next_hop.error()));
  FoundRoute found;
  found.why = next_hop->relay_host ? "delivery.relay_host takes all mail (its MX is not looked up)"
              : next_hop->literal  ? "an address literal"
                                   : "the mail exchangers of " + domain;
  boost::asio::io_context loop;
  SystemClock clock;
  DnsLookup lookup(loop.get_executor(), resolver_options(config), clock);
  std::exception_ptr failure;
  boost::asio::co_spawn(loop, look_up(*next_hop, domain, options, lookup, found),
                        [&failure](std::exception_ptr error) { failure = error; });
  loop.run();
  if (failure) std::rethrow_exception(failure);
  return found;
}

}  // namespace brevdue::daemon
