#include "daemon/module_options.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "config/address.h"
#include "net/interface_addresses.h"

namespace brevdue::daemon {

namespace {
std::chrono::seconds seconds(config::milliseconds time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time);
}
}  // namespace

queue::QueueOptions queue_options(const config::Config& config,
                                  std::shared_ptr<queue::SpoolSides> sides) {
  queue::QueueOptions options;
  options.committer.batch_bytes_max = config.queue.batch_bytes_max;
  options.committer.batch_count_max = config.queue.batch_count_max;
  options.content_cache_bytes = config.queue.content_cache;
  options.message_cache_bytes = config.queue.message_cache;
  options.sides = std::move(sides);
  return options;
}

DispatcherOptions dispatcher_options(const config::Config& config) {
  DispatcherOptions options;
  options.scheduler.window.start = config.delivery.concurrency_initial;
  options.scheduler.window.max = config.delivery.concurrency_max;
  options.retry.delay_min = seconds(config.retry.delay_min);
  options.retry.delay_max = seconds(config.retry.delay_max);
  options.retry.expire_after = seconds(config.retry.expire_after);
  options.retry.bounce_expire_after = seconds(config.retry.bounce_expire_after);
  options.retry.delay_notice_after = seconds(config.retry.delay_notice_after);
  options.retry.jitter = config.retry.jitter;
  options.relay_host = config.delivery.relay_host;
  options.hostname = config.hostname;
  return options;
}

SubmissionOptions submission_options(const config::Config& config) {
  SubmissionOptions options;
  options.content_budget = config.queue.memory_for_content / config.smtpd.processes;
  // The Received header that smtpd adds is not counted against the client's limit.
  options.content_size_max = config.smtpd.message_size_limit + 64 * 1024;
  return options;
}

smtp::ServerOptions server_options(const config::Config& config) {
  smtp::ServerOptions options;
  options.hostname = config.hostname;
  if (auto networks = smtp::Networks::parse(config.mynetworks)) options.mynetworks = *networks;
  options.size_limit = config.smtpd.message_size_limit;
  options.recipients_max = config.smtpd.recipients_max;
  options.errors_max = config.smtpd.error_limit;
  options.junk_commands_max = config.smtpd.junk_command_limit;
  options.deadlines.command = seconds(config.smtpd.timeout);
  options.deadlines.content = seconds(config.smtpd.content_timeout);
  return options;
}

// What a message that was relayed to `port` would come back in by. For a listener on a wildcard
// address that is every interface; should they not be known, the name of an exchange still tells.
static std::vector<boost::asio::ip::address> own_addresses(const config::Config& config,
                                                           std::uint16_t port) {
  std::vector<boost::asio::ip::address> addresses;
  for (const config::Listener& listener : config.listen) {
    const auto listening = config::parse_socket_address(listener.address);
    boost::system::error_code error;
    if (!listening || listening->port != port) continue;
    const auto own = boost::asio::ip::make_address(listening->host, error);
    if (error) continue;
    if (!own.is_unspecified()) {
      addresses.push_back(own);
      continue;
    }
    const auto interfaces = net::interface_addresses();
    if (!interfaces) continue;
    std::ranges::copy_if(*interfaces, std::back_inserter(addresses),
                         [&](const auto& address) { return own.is_v6() || address.is_v4(); });
  }
  return addresses;
}

delivery::RelayOptions relay_options(const config::Config& config) {
  const config::DeliveryConfig& from = config.delivery;
  delivery::RelayOptions options;
  options.hostname = from.helo_name;
  options.port = from.port;
  options.deadlines.connect = from.connect_timeout;
  options.deadlines.greeting = from.greeting_timeout;
  options.deadlines.hello = from.command_timeout;
  options.deadlines.mail = from.command_timeout;
  options.deadlines.rcpt = from.command_timeout;
  options.deadlines.data = from.command_timeout;
  options.deadlines.content = from.data_timeout;
  options.deadlines.end_of_data = from.data_timeout;
  options.connection_idle = from.connection_idle;
  options.messages_per_connection_max = from.messages_per_connection_max;
  options.connections_max = from.connections_max;
  options.own_addresses = own_addresses(config, from.port);
  return options;
}

dns::ResolverOptions resolver_options(const config::Config& config) {
  dns::ResolverOptions options;
  options.channel.servers = config.dns.servers;
  options.channel.timeout = config.dns.timeout;
  options.channel.tries = static_cast<int>(config.dns.tries);
  switch (config.dns.addresses) {
    case config::AddressPreference::ipv6_first:
      options.preference = dns::AddressPreference::ipv6_first;
      break;
    case config::AddressPreference::ipv4_first:
      options.preference = dns::AddressPreference::ipv4_first;
      break;
    case config::AddressPreference::ipv6_only:
      options.preference = dns::AddressPreference::ipv6_only;
      break;
    case config::AddressPreference::ipv4_only:
      options.preference = dns::AddressPreference::ipv4_only;
      break;
  }
  return options;
}

}  // namespace brevdue::daemon
