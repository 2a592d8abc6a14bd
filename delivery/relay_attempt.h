// One job from its start to a result for each recipient: finds the route, tries its addresses in
// order, and words what happened as Postfix does.
//
// An address that cannot be connected to, refuses to talk, breaks off, or puts off MAIL or DATA is
// followed by the next one for those recipients that have no verdict yet; who was accepted, refused
// or deferred by a host keeps that. What is left at the end is deferred with the last reason. Loop
// thread only; whoever runs it keeps it alive until run() returns.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include "core/clock.h"
#include "core/log.h"
#include "delivery/connection_pool.h"
#include "delivery/exchange_lookup.h"
#include "delivery/job.h"
#include "delivery/log_line.h"
#include "delivery/next_hop.h"
#include "delivery/outcome.h"
#include "delivery/relay_options.h"

namespace brevdue::delivery {

// What an attempt needs of its process; all outlive it.
struct RelayEnvironment {
  boost::asio::io_context& loop;
  const RelayOptions& options;
  ExchangeLookup& lookup;
  const Clock& clock;
  const Log& log;
};

class RelayAttempt {
 public:
  using Done = std::move_only_function<void(const Outcome&)>;

  RelayAttempt(Job job, Done done, const RelayEnvironment& environment);

  // `reused` is an idle connection to the job's next hop, or nothing.
  boost::asio::awaitable<void> run(std::unique_ptr<PooledConnection> reused);
  // Defers what has no verdict, whatever state things are in. Called once run() ended.
  void conclude();
  // Ends run() soon, without more log lines.
  void abort();

  // The connection as it was left, if there is one.
  std::unique_ptr<PooledConnection> take_connection() { return std::move(connection_); }
  const std::string& next_hop() const { return job_.next_hop; }
  const Outcome& outcome() const { return outcome_; }
  void report() { done_(outcome_); }

 private:
  struct Reason {
    mail::RecipientStatus status = mail::RecipientStatus::deferred;
    std::string enhanced;
    std::string text;
    bool remote = false;  // the words are the server's
  };

  boost::asio::awaitable<void> try_addresses();
  boost::asio::awaitable<Route> find_route();
  boost::asio::awaitable<Route> look_up(NextHop next_hop);
  boost::asio::awaitable<bool> connect(RelayAddress address);
  boost::asio::awaitable<void> transact();
  void take_results();
  void note_content_fault();
  void decide_rest();
  void decide(std::uint32_t position, Reason reason, bool dsn_relayed);
  void end_connection_phase();

  Job job_;
  Done done_;
  RelayEnvironment environment_;
  Outcome outcome_;
  std::unique_ptr<PooledConnection> connection_;
  bool lookup_by_mx_ = false;

  // Recipients without a verdict: positions in the job, and the indices they have there.
  std::vector<std::uint32_t> open_;
  std::vector<std::uint32_t> open_indices_;
  Reason reason_;            // why they have none
  std::string reason_host_;  // whose words those are
  AttemptFacts facts_;
  SteadyTime phase_start_{};
  bool destination_trouble_ = false;  // the last reason is about the destination, not the message
  bool decided_any_ = false;
  bool aborted_ = false;
};

}  // namespace brevdue::delivery
