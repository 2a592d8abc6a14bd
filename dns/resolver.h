// Finds where mail for a domain goes (RFC 5321 5.1): its exchanges with their addresses, in the
// order to try.
//
// Coroutines on one loop thread; the resolver must outlive those that run. A cancelled coroutine
// gets a temporary failure at once, and its queries still feed the cache. Answers are remembered
// for their TTL. What fails for a reason that may pass (timeouts, SERVFAIL, nonsense) is 4.4.3; a
// domain that does not exist 5.1.2, one that takes no mail 5.1.10 (RFC 7505).
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "core/clock.h"
#include "core/error.h"
#include "dns/cache.h"
#include "dns/exchange.h"
#include "dns/query_channel.h"

namespace brevdue::dns {

struct ResolverOptions {
  ChannelOptions channel;
  CacheOptions cache;
  AddressPreference preference = AddressPreference::ipv6_first;
  std::size_t exchanges_max = 20;
  std::size_t addresses_max = 20;  // of one exchange
};

class Resolver {
 public:
  // `clock` and `random` must outlive the resolver.
  static Result<std::unique_ptr<Resolver>> open(boost::asio::any_io_executor executor,
                                                ResolverOptions options, const Clock& clock,
                                                std::mt19937_64& random);
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // `domain` as in a mailbox: a name, also an internationalized one, or an address literal.
  boost::asio::awaitable<Resolution<ExchangeList>> resolve_mx(std::string domain);
  // One host without MX lookup, as for a relay host; an address as text resolves to itself.
  boost::asio::awaitable<Resolution<Exchange>> resolve_host(std::string host);

  std::size_t cached() const { return cache_.size(); }

 private:
  struct Wait;
  using Key = std::pair<std::string, RecordType>;
  using WaitPointer = std::shared_ptr<Wait>;

  Resolver(boost::asio::any_io_executor executor, ResolverOptions options, const Clock& clock,
           std::mt19937_64& random);
  bool wants(RecordType family) const;
  // From the cache, or from a query already under way, or by a new one.
  WaitPointer ask(const std::string& name, RecordType type);
  void arrived(const Key& key, const WaitPointer& wait, Result<std::string_view> raw);
  // Follows aliases that the server did not follow. Nothing if the coroutine is cancelled.
  boost::asio::awaitable<std::optional<Answer>> look_up(std::string name, RecordType type);
  boost::asio::awaitable<Resolution<Exchange>> addresses_of(std::string host);
  boost::asio::awaitable<Resolution<ExchangeList>> resolve_exchanges(std::string domain,
                                                                     std::vector<MxRecord> records);

  boost::asio::any_io_executor executor_;
  ResolverOptions options_;
  const Clock& clock_;
  std::mt19937_64& random_;
  Cache cache_;
  std::map<Key, WaitPointer> under_way_;
  std::unique_ptr<QueryChannel> channel_;
  std::shared_ptr<Resolver*> self_;  // expires with the resolver, for handlers that come later
};

}  // namespace brevdue::dns
