#include "delivery/relay.h"

#include <algorithm>
#include <deque>
#include <exception>
#include <string>
#include <unordered_set>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include "core/error.h"

namespace brevdue::delivery {

namespace asio = boost::asio;

// How far a free connection looks for a waiting job of its own next hop.
static constexpr std::size_t look_ahead_max = 64;

struct Relay::State : std::enable_shared_from_this<State> {
  using Attempt = std::shared_ptr<RelayAttempt>;

  State(asio::io_context& loop, RelayOptions options_in, ExchangeLookup& lookup, const Clock& clock,
        const Log& log)
      : options(std::move(options_in)),
        environment{loop, options, lookup, clock, log},
        pool(loop, options) {}

  static asio::awaitable<void> run(Attempt attempt, std::unique_ptr<PooledConnection> reused) {
    co_await attempt->run(std::move(reused));
  }

  void start(Attempt attempt, std::unique_ptr<PooledConnection> reused) {
    running.insert(attempt.get());
    starting = true;
    asio::co_spawn(environment.loop, run(attempt, std::move(reused)),
                   [self = shared_from_this(), attempt](const std::exception_ptr& thrown) {
                     if (thrown) self->log_exception(thrown);
                     // An attempt that never had to wait ends inside co_spawn.
                     if (!self->starting) return self->end(attempt);
                     asio::post(self->environment.loop, [self, attempt] { self->end(attempt); });
                   });
    starting = false;
  }

  void log_exception(const std::exception_ptr& thrown) const {
    try {
      std::rethrow_exception(thrown);
    } catch (const std::exception& exception) {
      environment.log.error(std::string("delivery attempt: ") + exception.what());
    }
  }

  // Starts the attempt if there is a place for its connection.
  bool place(const Attempt& attempt) {
    if (auto idle = pool.take(attempt->next_hop())) {
      start(attempt, std::move(idle));
      return true;
    }
    if (running.size() + pool.idle() >= options.connections_max && !pool.evict()) return false;
    start(attempt, nullptr);
    return true;
  }

  void end(const Attempt& attempt) {
    running.erase(attempt.get());
    if (stopped) return;
    attempt->conclude();
    if (auto connection = attempt->take_connection()) {
      const std::string next_hop = connection->next_hop;
      pool.put(std::move(connection));
      start_waiting(next_hop);
    }
    while (!waiting.empty() && place(waiting.front())) waiting.pop_front();
    // The last act: the callback may destroy the Relay.
    attempt->report();
  }

  void start_waiting(const std::string& next_hop) {
    const auto end =
        waiting.begin() + static_cast<std::ptrdiff_t>(std::min(waiting.size(), look_ahead_max));
    const auto same = std::find_if(waiting.begin(), end, [&](const Attempt& attempt) {
      return attempt->next_hop() == next_hop;
    });
    if (same == end) return;
    const Attempt attempt = *same;
    if (place(attempt)) waiting.erase(same);
  }

  RelayOptions options;
  RelayEnvironment environment;
  ConnectionPool pool;
  std::unordered_set<RelayAttempt*> running;
  std::deque<Attempt> waiting;
  bool starting = false;
  bool stopped = false;
};

Relay::Relay(asio::io_context& loop, RelayOptions options, ExchangeLookup& lookup,
             const Clock& clock, const Log& log)
    : state_(std::make_shared<State>(loop, std::move(options), lookup, clock, log)) {
  BREVDUE_ASSERT(state_->options.connections_max > 0 && state_->options.addresses_max > 0);
}

Relay::~Relay() {
  state_->stopped = true;
  state_->waiting.clear();
  for (RelayAttempt* attempt : state_->running) attempt->abort();
  state_->pool.close_all();
}

void Relay::submit(Job job, Done done) {
  auto attempt =
      std::make_shared<RelayAttempt>(std::move(job), std::move(done), state_->environment);
  // Nobody overtakes those who wait already.
  if (!state_->waiting.empty() || !state_->place(attempt)) {
    state_->waiting.push_back(std::move(attempt));
  }
}

void Relay::close_idle() {
  state_->pool.close_all();
}

std::size_t Relay::jobs() const {
  return state_->running.size() + state_->waiting.size();
}

std::size_t Relay::connections() const {
  return state_->running.size() + state_->pool.idle();
}

}  // namespace brevdue::delivery
