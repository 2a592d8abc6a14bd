// Relays messages to their next hops: what a delivery process is for.
//
// Each job becomes one attempt, on an idle connection to its next hop where there is one, else on a
// new one while there are fewer than `connections_max`, else in the place of the connection that
// has been idle longest; what finds no place waits, first come first served, but a connection that
// becomes free takes a waiting job of its own next hop first, until it has carried
// `messages_per_connection_max`. How many jobs there are is bounded by what qmgr is granted.
//
// Loop thread only. `done` is called once a job, never inside submit(), after its log lines were
// written; it may destroy the Relay. Destroying the Relay drops connections and jobs without
// calling anybody; the loop may then still run what it was running.
#pragma once

#include <cstddef>
#include <memory>

#include <boost/asio/io_context.hpp>

#include "core/clock.h"
#include "core/log.h"
#include "delivery/exchange_lookup.h"
#include "delivery/job.h"
#include "delivery/relay_attempt.h"
#include "delivery/relay_options.h"

namespace brevdue::delivery {

class Relay {
 public:
  using Done = RelayAttempt::Done;

  // All but `options` must outlive the Relay and the loop's last run.
  Relay(boost::asio::io_context& loop, RelayOptions options, ExchangeLookup& lookup,
        const Clock& clock, const Log& log);
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  void submit(Job job, Done done);
  // Says QUIT on the idle connections, before the process ends.
  void close_idle();

  // Jobs submitted and not yet done, and connections open for them or idle.
  std::size_t jobs() const;
  std::size_t connections() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace brevdue::delivery
