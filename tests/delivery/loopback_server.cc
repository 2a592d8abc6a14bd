#include "tests/delivery/loopback_server.h"

#include <algorithm>
#include <array>
#include <exception>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

namespace brevdue::tests {

namespace asio = boost::asio;
using asio::ip::tcp;

static constexpr auto token = asio::as_tuple(asio::use_awaitable);

struct LoopbackServer::State : std::enable_shared_from_this<State> {
  State(asio::io_context& loop, tcp::endpoint endpoint, Override override_in)
      : acceptor(loop, endpoint), override(std::move(override_in)) {}

  static asio::awaitable<void> accept(std::shared_ptr<State> self) {
    for (;;) {
      auto [error, socket] = co_await self->acceptor.async_accept(token);
      if (error) co_return;
      asio::co_spawn(self->acceptor.get_executor(), serve(self, std::move(socket)), asio::detached);
    }
  }

  static asio::awaitable<void> serve(std::shared_ptr<State> self, tcp::socket socket) {
    const std::size_t number = self->connections++;
    self->open_max = std::max(self->open_max, ++self->open);
    co_await talk(self.get(), std::move(socket), number);
    --self->open;
  }

  static asio::awaitable<void> talk(State* self, tcp::socket socket, std::size_t number) {
    PoliteServer::Override override_line;
    if (self->override) {
      override_line = [self, number](const std::string& line) {
        return self->override(number, line);
      };
    }
    PoliteServer server({"PIPELINING", "8BITMIME", "SIZE 100000000", "DSN"}, override_line);
    std::vector<ServerAnswer> answers;
    answers.push_back(server.greeting());
    std::size_t seen = 0;
    std::size_t taken = 0;
    bool silent = false;
    std::array<char, 65536> input;
    for (;;) {
      std::string output;
      bool close = false;
      for (const ServerAnswer& answer : answers) {
        silent = silent || (answer.bytes.empty() && !answer.close);
        if (!silent && !close) output += answer.bytes;
        close = close || answer.close;
      }
      co_await asio::async_write(socket, asio::buffer(output), token);
      if (close && !silent) co_return;
      const auto [error, size] = co_await socket.async_read_some(asio::buffer(input), token);
      if (error) co_return;
      answers = server.feed({input.data(), size});
      while (seen < server.lines().size()) self->lines.push_back(server.lines()[seen++]);
      while (taken < server.messages().size()) {
        self->messages.push_back(server.messages()[taken++]);
      }
    }
  }

  tcp::acceptor acceptor;
  Override override;
  std::vector<AcceptedMessage> messages;
  std::vector<std::string> lines;
  std::size_t connections = 0;
  std::size_t open = 0;
  std::size_t open_max = 0;
};

LoopbackServer::LoopbackServer(asio::io_context& loop, const std::string& address,
                               std::uint16_t port, Override override)
    : state_(std::make_shared<State>(loop, tcp::endpoint(asio::ip::make_address(address), port),
                                     std::move(override))) {
  asio::co_spawn(loop, State::accept(state_), asio::detached);
}

LoopbackServer::~LoopbackServer() {
  boost::system::error_code ignored;
  state_->acceptor.close(ignored);
}

std::uint16_t LoopbackServer::port() const {
  return state_->acceptor.local_endpoint().port();
}

const std::vector<AcceptedMessage>& LoopbackServer::messages() const {
  return state_->messages;
}

const std::vector<std::string>& LoopbackServer::lines() const {
  return state_->lines;
}

std::size_t LoopbackServer::connections() const {
  return state_->connections;
}

std::size_t LoopbackServer::open_connections() const {
  return state_->open;
}

std::size_t LoopbackServer::open_connections_max() const {
  return state_->open_max;
}

}  // namespace brevdue::tests
