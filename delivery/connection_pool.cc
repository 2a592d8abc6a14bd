#include "delivery/connection_pool.h"

#include <algorithm>
#include <deque>
#include <exception>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>

namespace brevdue::delivery {

namespace asio = boost::asio;
using Time = std::chrono::steady_clock::time_point;

// Connections that wait for the answer to QUIT, at most; beyond that they are closed without it.
static constexpr std::size_t quitting_max = 100;

PooledConnection::PooledConnection(asio::ip::tcp::socket socket, smtp::ClientOptions options,
                                   const smtp::ClientDeadlines& deadlines, std::string next_hop_in,
                                   RelayAddress address_in)
    : smtp(std::move(socket), std::move(options), deadlines),
      next_hop(std::move(next_hop_in)),
      address(std::move(address_in)),
      relay(address.relay()) {}

struct ConnectionPool::State : std::enable_shared_from_this<State> {
  struct Idle {
    std::unique_ptr<PooledConnection> connection;
    Time since;
  };

  State(asio::io_context& loop_in, const RelayOptions& options_in)
      : loop(loop_in), options(options_in), timer(loop_in) {}

  static asio::awaitable<void> quit(std::shared_ptr<PooledConnection> connection) {
    co_await connection->smtp.quit();
  }

  void close(std::unique_ptr<PooledConnection> connection) {
    if (quitting >= quitting_max) return connection->smtp.abort();
    ++quitting;
    asio::co_spawn(loop, quit(std::shared_ptr<PooledConnection>(std::move(connection))),
                   [self = shared_from_this()](const std::exception_ptr&) { --self->quitting; });
  }

  void sweep_later() {
    if (sweeping || idle.empty()) return;
    sweeping = true;
    timer.expires_at(idle.front().since + options.connection_idle);
    timer.async_wait([weak = weak_from_this()](boost::system::error_code stopped) {
      const auto self = weak.lock();
      if (!self || stopped) return;
      self->sweeping = false;
      const Time now = std::chrono::steady_clock::now();
      while (!self->idle.empty() &&
             self->idle.front().since + self->options.connection_idle <= now) {
        self->close(std::move(self->idle.front().connection));
        self->idle.pop_front();
      }
      self->sweep_later();
    });
  }

  asio::io_context& loop;
  const RelayOptions& options;
  asio::steady_timer timer;
  std::deque<Idle> idle;  // in the order of `since`
  std::size_t quitting = 0;
  bool sweeping = false;
};

ConnectionPool::ConnectionPool(asio::io_context& loop, const RelayOptions& options)
    : state_(std::make_shared<State>(loop, options)) {}

ConnectionPool::~ConnectionPool() {
  state_->idle.clear();
  state_->timer.cancel();
}

std::unique_ptr<PooledConnection> ConnectionPool::take(std::string_view next_hop) {
  std::deque<State::Idle>& idle = state_->idle;
  for (std::size_t i = idle.size(); i-- > 0;) {
    if (idle[i].connection->next_hop != next_hop) continue;
    std::unique_ptr<PooledConnection> connection = std::move(idle[i].connection);
    idle.erase(idle.begin() + static_cast<std::ptrdiff_t>(i));
    if (connection->smtp.usable()) return connection;
    connection->smtp.abort();
  }
  return nullptr;
}

void ConnectionPool::put(std::unique_ptr<PooledConnection> connection) {
  smtp::ClientSession& session = connection->smtp.session();
  if (session.next().need != smtp::ClientSession::Need::idle) return connection->smtp.abort();
  const std::uint32_t most = state_->options.messages_per_connection_max;
  if ((most > 0 && session.transactions() >= most) ||
      state_->options.connection_idle.count() == 0) {
    return state_->close(std::move(connection));
  }
  state_->idle.push_back({std::move(connection), std::chrono::steady_clock::now()});
  state_->sweep_later();
}

bool ConnectionPool::evict() {
  if (state_->idle.empty()) return false;
  state_->close(std::move(state_->idle.front().connection));
  state_->idle.pop_front();
  return true;
}

void ConnectionPool::close_all() {
  while (evict()) {
  }
}

std::size_t ConnectionPool::idle() const {
  return state_->idle.size();
}

}  // namespace brevdue::delivery
