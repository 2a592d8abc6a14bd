#include "daemon/dns_lookup.h"

#include <stdexcept>
#include <utility>
#include <vector>

namespace brevdue::daemon {

namespace {
mail::Reply reply_of(const dns::ResolutionFailure& failure) {
  return {failure.code, failure.enhanced, failure.text};
}

delivery::Exchange exchange_of(dns::Exchange&& found) {
  delivery::Exchange exchange;
  exchange.host = std::move(found.host);
  exchange.preference = found.preference;
  exchange.addresses = std::move(found.addresses);
  return exchange;
}
}  // namespace

DnsLookup::DnsLookup(boost::asio::any_io_executor executor, dns::ResolverOptions options,
                     const Clock& clock)
    : random_(std::random_device()()) {
  auto resolver = dns::Resolver::open(std::move(executor), std::move(options), clock, random_);
  if (!resolver) throw std::runtime_error("dns: " + describe(resolver.error()));
  resolver_ = std::move(*resolver);
}

boost::asio::awaitable<delivery::Exchanges> DnsLookup::exchanges(std::string domain) {
  auto found = co_await resolver_->resolve_mx(std::move(domain));
  if (!found) co_return std::unexpected(reply_of(found.error()));
  std::vector<delivery::Exchange> exchanges;
  for (dns::Exchange& one : *found) exchanges.push_back(exchange_of(std::move(one)));
  co_return exchanges;
}

boost::asio::awaitable<delivery::Exchanges> DnsLookup::addresses(std::string host) {
  auto found = co_await resolver_->resolve_host(std::move(host));
  if (!found) co_return std::unexpected(reply_of(found.error()));
  std::vector<delivery::Exchange> exchanges;
  exchanges.push_back(exchange_of(std::move(*found)));
  co_return exchanges;
}

}  // namespace brevdue::daemon
