#include "delivery/relay_attempt.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "net/connector.h"

namespace brevdue::delivery {

namespace asio = boost::asio;
using mail::RecipientStatus;
using smtp::ClientResult;
using smtp::ClientSession;
using smtp::ClientVerdict;

namespace {
RecipientStatus status_of(ClientVerdict verdict) {
  switch (verdict) {
    case ClientVerdict::relayed:
      return RecipientStatus::relayed;
    case ClientVerdict::failed:
      return RecipientStatus::failed;
    case ClientVerdict::undecided:
    case ClientVerdict::deferred:
      break;
  }
  return RecipientStatus::deferred;
}

std::chrono::microseconds since(SteadyTime start, SteadyTime now) {
  return std::chrono::duration_cast<std::chrono::microseconds>(now - start);
}
}  // namespace

RelayAttempt::RelayAttempt(Job job, Done done, const RelayEnvironment& environment)
    : job_(std::move(job)), done_(std::move(done)), environment_(environment) {
  outcome_.attempt = job_.attempt;
  outcome_.recipients.resize(job_.recipients.size());
  open_.resize(job_.recipients.size());
  for (std::uint32_t i = 0; i < open_.size(); ++i) {
    open_[i] = i;
    outcome_.recipients[i].recipient = job_.recipients[i];
  }
  reason_.enhanced = "4.3.0";
  reason_.text = "delivery was interrupted";
}

asio::awaitable<void> RelayAttempt::run(std::unique_ptr<PooledConnection> reused) {
  phase_start_ = environment_.clock.steady();
  facts_.delays.before_qmgr = job_.scheduled - job_.envelope.arrival;
  facts_.delays.in_qmgr = environment_.clock.wall() - job_.scheduled;
  connection_ = std::move(reused);
  if (connection_) {
    end_connection_phase();
    co_await transact();
  }
  if (!open_.empty() && !aborted_) co_await try_addresses();
}

asio::awaitable<void> RelayAttempt::try_addresses() {
  // A connection that was kept and turned out to be closed says nothing about its server.
  const bool stale = connection_ && connection_->smtp.session().stale();
  boost::asio::ip::tcp::endpoint tried;
  if (connection_ && !stale) tried = connection_->address.endpoint;
  connection_.reset();
  const Route route = co_await find_route();
  if (!route) {
    reason_ = {route.error().permanent() ? RecipientStatus::failed : RecipientStatus::deferred,
               route.error().enhanced, route.error().text, false};
    reason_host_.clear();
    destination_trouble_ = !route.error().permanent();
    co_return;
  }
  for (const RelayAddress& address : *route) {
    if (address.endpoint == tried) continue;
    // What another address left behind is of no use any more.
    if (connection_) connection_->smtp.abort();
    connection_.reset();
    facts_.relay.clear();
    if (co_await connect(address)) co_await transact();
    if (open_.empty() || aborted_ || reason_.status == RecipientStatus::failed) co_return;
  }
}

asio::awaitable<Route> RelayAttempt::find_route() {
  auto next_hop = parse_next_hop(job_.next_hop, environment_.options.port);
  if (!next_hop) {
    co_return std::unexpected(mail::Reply{550, "5.1.2", next_hop.error().context});
  }
  lookup_by_mx_ = !next_hop->relay_host && !next_hop->literal;
  if (!next_hop->literal) co_return co_await look_up(*next_hop);
  Exchange exchange;
  exchange.host = next_hop->host;
  exchange.addresses.push_back(*next_hop->literal);
  co_return host_route(exchange, next_hop->port, environment_.options.addresses_max);
}

asio::awaitable<Route> RelayAttempt::look_up(NextHop next_hop) {
  if (next_hop.relay_host) {
    const Exchanges found = co_await environment_.lookup.addresses(next_hop.host);
    if (!found) co_return std::unexpected(found.error());
    if (found->empty()) {
      co_return std::unexpected(mail::Reply{451, "4.4.3", "no address for " + next_hop.host});
    }
    co_return host_route(found->front(), next_hop.port, environment_.options.addresses_max);
  }
  Exchanges found = co_await environment_.lookup.exchanges(next_hop.host);
  if (!found) co_return std::unexpected(found.error());
  co_return mx_route(next_hop.host, std::move(*found), environment_.options);
}

// False: reason_ says why there is no session with this address.
asio::awaitable<bool> RelayAttempt::connect(RelayAddress address) {
  destination_trouble_ = true;
  reason_host_ = address.host;
  auto socket = co_await net::connect(environment_.loop.get_executor(), address.endpoint,
                                      environment_.options.deadlines.connect);
  if (aborted_) co_return false;
  if (!socket) {
    const std::error_code why(socket.error().os_error, std::generic_category());
    reason_ = {RecipientStatus::deferred, "4.4.1",
               fmt::format("connect to {}: {}", address.relay(), why.message()), false};
    co_return false;
  }
  smtp::ClientOptions client;
  client.hostname = environment_.options.hostname;
  client.peer = address.peer();
  client.detect_loop = lookup_by_mx_;
  connection_ =
      std::make_unique<PooledConnection>(std::move(*socket), std::move(client),
                                         environment_.options.deadlines, job_.next_hop, address);
  facts_.relay = connection_->relay;
  if (co_await connection_->smtp.open()) {
    end_connection_phase();
    co_return true;
  }
  const ClientResult& refusal = *connection_->smtp.session().refusal();
  reason_ = {status_of(refusal.verdict), refusal.enhanced, refusal.text, refusal.remote_reply};
  co_return false;
}

void RelayAttempt::end_connection_phase() {
  const SteadyTime now = environment_.clock.steady();
  facts_.delays.connection += since(phase_start_, now);
  phase_start_ = now;
}

asio::awaitable<void> RelayAttempt::transact() {
  destination_trouble_ = false;
  facts_.relay = connection_->relay;
  facts_.conn_use = connection_->smtp.session().transactions() + 1;
  reason_host_ = connection_->address.host;
  open_indices_.clear();
  for (const std::uint32_t position : open_) open_indices_.push_back(job_.recipients[position]);
  const smtp::ClientTransaction transaction{&job_.envelope, open_indices_};
  const mail::ContentFacts& facts = job_.envelope.content;
  const smtp::ClientContent content{job_.content.view(), job_.file.get(), 0, facts.size,
                                    facts.crc32c};
  co_await connection_->smtp.relay(transaction, content);
  const SteadyTime now = environment_.clock.steady();
  facts_.delays.transmission += since(phase_start_, now);
  phase_start_ = now;
  take_results();
}

void RelayAttempt::take_results() {
  ClientSession& session = connection_->smtp.session();
  std::vector<ClientResult>& results = session.results();
  destination_trouble_ = session.connection_failed();
  if (connection_->smtp.content_fault() != smtp::ClientConnection::ContentFault::none) {
    note_content_fault();
  }
  std::size_t kept = 0;
  for (std::size_t i = 0; i < open_.size(); ++i) {
    ClientResult& result = results[i];
    Reason reason{status_of(result.verdict), std::move(result.enhanced), std::move(result.text),
                  result.remote_reply};
    if (result.verdict == ClientVerdict::undecided) {
      reason_ = std::move(reason);
      open_[kept++] = open_[i];
    } else {
      decide(open_[i], std::move(reason), session.dsn_offered());
    }
  }
  open_.resize(kept);
}

void RelayAttempt::note_content_fault() {
  using Fault = smtp::ClientConnection::ContentFault;
  outcome_.content_corrupt = connection_->smtp.content_fault() == Fault::damaged;
  environment_.log.error(
      fmt::format("{}: the content is not what was accepted; the connection to "
                  "{} was dropped before the end of data",
                  job_.envelope.id.text(), facts_.relay));
}

void RelayAttempt::decide(std::uint32_t position, Reason reason, bool dsn_relayed) {
  RecipientOutcome& outcome = outcome_.recipients[position];
  outcome.status = reason.status;
  outcome.enhanced = std::move(reason.enhanced);
  outcome.reply = std::move(reason.text);
  if (outcome.reply.size() > mail::reply_bytes_max) outcome.reply.resize(mail::reply_bytes_max);
  const bool remote = reason.remote || reason.status == RecipientStatus::relayed;
  if (remote) outcome.remote = reason_host_;
  outcome.remote_reply = remote;
  outcome.dsn_relayed = dsn_relayed && reason.status == RecipientStatus::relayed;
  decided_any_ = true;
  const mail::Recipient& recipient = job_.envelope.recipients[job_.recipients[position]];
  if (!aborted_) {
    environment_.log.info(log_line(job_.envelope.id, recipient, outcome, facts_));
  }
}

void RelayAttempt::conclude() {
  // The destination has failed only if it said nothing about anybody.
  outcome_.destination_failed = destination_trouble_ && !decided_any_;
  if (open_.empty()) return;
  const SteadyTime now = environment_.clock.steady();
  (connection_ ? facts_.delays.transmission : facts_.delays.connection) += since(phase_start_, now);
  for (const std::uint32_t position : open_) decide(position, reason_, false);
  open_.clear();
}

void RelayAttempt::abort() {
  aborted_ = true;
  if (connection_) connection_->smtp.abort();
}

}  // namespace brevdue::delivery
