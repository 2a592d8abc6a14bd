// An SMTP server on a loopback address that does what a test tells it to. Runs in the test's loop.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "tests/smtp_client/polite_server.h"

namespace brevdue::tests {

class LoopbackServer {
 public:
  // What to answer on connection number `connection` (from 0) in place of the polite answer. After
  // an answer without bytes that does not close, the server is silent for good.
  using Override =
      std::function<std::optional<ServerAnswer>(std::size_t connection, const std::string& line)>;

  // Port 0: any that is free.
  LoopbackServer(boost::asio::io_context& loop, const std::string& address, std::uint16_t port,
                 Override override = {});
  ~LoopbackServer();

  std::uint16_t port() const;
  // After a test has ended a connection, everything it accepted is here.
  const std::vector<AcceptedMessage>& messages() const;
  const std::vector<std::string>& lines() const;
  std::size_t connections() const;
  std::size_t open_connections() const;
  std::size_t open_connections_max() const;

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace brevdue::tests
