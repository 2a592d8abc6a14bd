// `brevdue route ADDRESS`: what delivery would do, asked of the same code.
#include <string>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <fmt/format.h>
#include <sysexits.h>

#include "cli/commands.h"
#include "cli/read_config.h"
#include "core/clock.h"
#include "daemon/dns_lookup.h"
#include "daemon/module_options.h"
#include "delivery/next_hop.h"
#include "delivery/route.h"
#include "mail/envelope.h"

namespace brevdue::cli {

namespace {
void print_route(const delivery::Route& route) {
  if (!route) {
    const bool permanent = route.error().permanent();
    fmt::print("{}: {}\n", permanent ? "fails" : "is deferred", route.error().line());
    return;
  }
  int number = 0;
  for (const delivery::RelayAddress& address : *route) {
    fmt::print("{:>3}. {}\n", ++number, address.relay());
  }
  fmt::print("TLS: none, in clear text\n");
}

boost::asio::awaitable<void> find_route(const config::Config& config, std::string domain,
                                        delivery::ExchangeLookup& lookup, int& code) {
  const delivery::RelayOptions options = daemon::relay_options(config);
  const std::string& relay_host = config.delivery.relay_host;
  const std::string text = relay_host.empty() ? domain : "relay:" + relay_host;
  auto next_hop = delivery::parse_next_hop(text, options.port);
  if (!next_hop) {
    fmt::print(stderr, "brevdue: {}\n", describe(next_hop.error()));
    code = EX_DATAERR;
    co_return;
  }
  fmt::print("why: {}\n", next_hop->relay_host
                              ? "delivery.relay_host takes all mail (its MX is not looked up)"
                              : "mail exchangers of " + domain);
  delivery::Exchanges found;
  if (next_hop->literal) {
    found = std::vector{delivery::Exchange{next_hop->host, 0, {*next_hop->literal}}};
  } else if (next_hop->relay_host) {
    found = co_await lookup.addresses(next_hop->host);
  } else {
    found = co_await lookup.exchanges(next_hop->host);
  }
  delivery::Route route;
  if (!found) {
    route = std::unexpected(found.error());
  } else if (next_hop->relay_host || next_hop->literal) {
    route = delivery::host_route(found->front(), next_hop->port, options.addresses_max);
  } else {
    route = delivery::mx_route(domain, std::move(*found), options);
  }
  print_route(route);
  code = route ? 0 : route.error().permanent() ? EX_NOHOST : EX_TEMPFAIL;
}
}  // namespace

int route(const std::string& config_path, const std::string& address) {
  const auto config = read_config(config_path);
  if (!config) return EX_CONFIG;
  std::string domain = mail::domain_of(address);
  if (address.find('@') == std::string::npos) domain = address;
  if (domain.empty()) {
    fmt::print(stderr, "brevdue: \"{}\" names no domain\n", address);
    return EX_USAGE;
  }
  boost::asio::io_context loop;
  SystemClock clock;
  daemon::DnsLookup lookup(loop.get_executor(), daemon::resolver_options(*config), clock);
  int code = EX_SOFTWARE;
  boost::asio::co_spawn(loop, find_route(*config, domain, lookup, code),
                        [](std::exception_ptr error) {
                          if (error) std::rethrow_exception(error);
                        });
  loop.run();
  return code;
}

}  // namespace brevdue::cli
