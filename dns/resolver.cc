#include "dns/resolver.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "dns/routing.h"

namespace brevdue::dns {

namespace asio = boost::asio;
using asio::awaitable;

// One query under way and those that wait for it: the timer never expires, it is cancelled when the
// answer is there.
struct Resolver::Wait {
  explicit Wait(const asio::any_io_executor& executor)
      : there(executor, asio::steady_timer::time_point::max()) {}
  asio::steady_timer there;
  std::optional<Answer> answer;
};

Resolver::Resolver(asio::any_io_executor executor, ResolverOptions options, const Clock& clock,
                   std::mt19937_64& random)
    : executor_(std::move(executor)),
      options_(std::move(options)),
      clock_(clock),
      random_(random),
      cache_(options_.cache),
      self_(std::make_shared<Resolver*>(this)) {}

Resolver::~Resolver() = default;

Result<std::unique_ptr<Resolver>> Resolver::open(asio::any_io_executor executor,
                                                 ResolverOptions options, const Clock& clock,
                                                 std::mt19937_64& random) {
  auto channel = QueryChannel::open(executor, options.channel);
  if (!channel) return propagate(std::move(channel.error()));
  std::unique_ptr<Resolver> resolver(
      new Resolver(std::move(executor), std::move(options), clock, random));
  resolver->channel_ = std::move(*channel);
  return resolver;
}

Resolver::WaitPointer Resolver::ask(const std::string& name, RecordType type) {
  const Key key(name, type);
  if (const auto at = under_way_.find(key); at != under_way_.end()) return at->second;
  const auto wait = std::make_shared<Wait>(executor_);
  if (const Answer* known = cache_.find(name, type, clock_.steady()); known != nullptr) {
    wait->answer = *known;
    return wait;
  }
  under_way_.emplace(key, wait);
  channel_->send(name, type,
                 [self = std::weak_ptr(self_), key, wait](Result<std::string_view> raw) {
                   const auto resolver = self.lock();
                   if (resolver) (*resolver)->arrived(key, wait, raw);
                 });
  return wait;
}

void Resolver::arrived(const Key& key, const WaitPointer& wait, Result<std::string_view> raw) {
  under_way_.erase(key);
  Answer answer;
  if (!raw) {
    answer.reason = raw.error().code == ErrorCode::timed_out ? "timeout" : "no answer";
  } else if (auto parsed = parse_answer(*raw, key.first, key.second); !parsed) {
    answer.reason = "malformed answer";
  } else {
    answer = std::move(*parsed);
  }
  cache_.keep(key.first, key.second, answer, clock_.steady());
  wait->answer = std::move(answer);
  wait->there.cancel();
}

awaitable<std::optional<Answer>> Resolver::look_up(std::string name, RecordType type) {
  for (unsigned links = 0; links <= cname_links_max; ++links) {
    const WaitPointer wait = ask(name, type);
    if (!wait->answer) co_await wait->there.async_wait(asio::as_tuple(asio::use_awaitable));
    if (!wait->answer) co_return std::nullopt;
    if (wait->answer->kind != Answer::Kind::alias) co_return *wait->answer;
    name = wait->answer->alias;
  }
  Answer failure;
  failure.reason = "alias chain is circular or too long";
  co_return failure;
}

bool Resolver::wants(RecordType family) const {
  return family == RecordType::a ? options_.preference != AddressPreference::ipv6_only
                                 : options_.preference != AddressPreference::ipv4_only;
}

awaitable<Resolution<Exchange>> Resolver::addresses_of(std::string host) {
  std::vector<Address> found[2];
  std::string failure;
  bool name_exists = false;
  static constexpr RecordType families[] = {RecordType::a, RecordType::aaaa};
  // Both questions are on their way before either answer is waited for.
  for (const RecordType family : families) {
    if (wants(family)) ask(host, family);
  }
  for (const RecordType family : families) {
    if (!wants(family)) continue;
    std::optional<Answer> answer = co_await look_up(host, family);
    if (!answer) co_return std::unexpected(lookup_failed(host, "cancelled"));
    name_exists = name_exists || answer->kind != Answer::Kind::no_name;
    if (answer->kind == Answer::Kind::failure) failure = answer->reason;
    found[family == RecordType::a ? 0 : 1] = std::move(answer->addresses);
  }
  Exchange exchange;
  exchange.addresses = in_order(std::move(found[0]), std::move(found[1]), options_.preference,
                                options_.addresses_max, random_);
  if (exchange.addresses.empty()) {
    if (!failure.empty()) co_return std::unexpected(lookup_failed(host, failure));
    co_return std::unexpected(name_exists ? no_exchange(host) : no_such_domain(host));
  }
  exchange.host = std::move(host);
  co_return exchange;
}

awaitable<Resolution<ExchangeList>> Resolver::resolve_exchanges(std::string domain,
                                                                std::vector<MxRecord> records) {
  records = in_order(std::move(records), options_.exchanges_max, random_);
  for (const MxRecord& record : records) {
    if (wants(RecordType::a)) ask(record.host, RecordType::a);
    if (wants(RecordType::aaaa)) ask(record.host, RecordType::aaaa);
  }
  ExchangeList exchanges;
  std::optional<ResolutionFailure> temporary;
  for (const MxRecord& record : records) {
    auto exchange = co_await addresses_of(record.host);
    if (exchange) {
      exchange->preference = record.preference;
      exchanges.push_back(std::move(*exchange));
    } else if (!exchange.error().permanent()) {
      temporary = exchange.error();
      // Cancelled: another co_await would throw.
      if ((co_await asio::this_coro::cancellation_state).cancelled() !=
          asio::cancellation_type::none) {
        break;
      }
    }
  }
  if (!exchanges.empty()) co_return exchanges;
  co_return std::unexpected(temporary.value_or(no_exchange(domain)));
}

awaitable<Resolution<ExchangeList>> Resolver::resolve_mx(std::string domain) {
  if (const auto literal = address_literal(domain)) {
    if (!*literal) co_return std::unexpected(literal->error());
    co_return ExchangeList{{(*literal)->to_string(), 0, {**literal}}};
  }
  const auto name = query_name(domain);
  if (!name) co_return std::unexpected(name.error());
  std::optional<Answer> answer = co_await look_up(*name, RecordType::mx);
  if (!answer) co_return std::unexpected(lookup_failed(*name, "cancelled"));
  switch (answer->kind) {
    case Answer::Kind::failure:
    case Answer::Kind::alias:
      co_return std::unexpected(lookup_failed(*name, answer->reason));
    case Answer::Kind::no_name:
      co_return std::unexpected(no_such_domain(*name));
    case Answer::Kind::no_record: {
      auto host = co_await addresses_of(*name);
      if (!host) co_return std::unexpected(host.error());
      co_return ExchangeList{std::move(*host)};
    }
    case Answer::Kind::found:
      break;
  }
  if (is_null_mx(answer->exchanges)) co_return std::unexpected(null_mx(*name));
  co_return co_await resolve_exchanges(*name, std::move(answer->exchanges));
}

awaitable<Resolution<Exchange>> Resolver::resolve_host(std::string host) {
  boost::system::error_code error;
  const Address address = asio::ip::make_address(host, error);
  if (!error) co_return Exchange{host, 0, {address}};
  if (const auto literal = address_literal(host)) {
    if (!*literal) co_return std::unexpected(literal->error());
    co_return Exchange{(*literal)->to_string(), 0, {**literal}};
  }
  const auto name = query_name(host);
  if (!name) co_return std::unexpected(name.error());
  co_return co_await addresses_of(*name);
}

}  // namespace brevdue::dns
