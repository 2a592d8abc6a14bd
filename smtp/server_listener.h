// Accepts SMTP connections from inherited listening sockets, within limits, and knows the
// connections that are open.
//
// Several processes may accept from the same sockets. Over a limit a client is told 421 and let go
// without a session. One thread, that of the io_context, which outlives the listener; Reception,
// Clock and options outlive the io_context, since what is still suspended in it is unwound with it.
#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <unordered_map>
#include <unordered_set>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "core/clock.h"
#include "core/error.h"
#include "core/unique_fd.h"
#include "smtp/networks.h"
#include "smtp/reception.h"
#include "smtp/server_connection.h"
#include "smtp/server_options.h"

namespace brevdue::smtp {

struct ListenerOptions {
  std::size_t sessions_max = 1000;
  std::size_t sessions_per_client_max = 200;
};

class ServerListener {
 public:
  ServerListener(boost::asio::io_context& io, const ServerOptions& options,
                 const ListenerOptions& limits, Reception& reception, const Clock& clock);
  ServerListener(const ServerListener&) = delete;
  ServerListener& operator=(const ServerListener&) = delete;

  // Accepts from this listening TCP socket from now on. May be called for several.
  Result<void> listen(UniqueFd listening);
  // Accepts no more, says 421 to idle clients, lets open transactions end; then calls `drained`.
  void drain(std::move_only_function<void()> drained);
  // Drops every connection; after drain(), if that takes too long.
  void abort();

  std::size_t sessions() const { return connections_.size(); }

 private:
  struct Door {
    boost::asio::ip::tcp::acceptor acceptor;
    boost::asio::steady_timer pause;  // after an accept that failed for want of descriptors
  };

  boost::asio::awaitable<void> accept_from(Door& door);
  void admit(boost::asio::ip::tcp::socket socket, const IpAddress& client);
  void refuse(boost::asio::ip::tcp::socket& socket, std::string_view reply) const;
  void ended(const std::shared_ptr<ServerConnection>& connection, std::exception_ptr error);

  boost::asio::io_context& io_;
  const ListenerOptions limits_;
  ServerContext context_;
  std::list<Door> doors_;
  std::unordered_set<std::shared_ptr<ServerConnection>> connections_;
  std::unordered_map<IpAddress, std::size_t> per_client_;
  std::move_only_function<void()> drained_;
  bool draining_ = false;
};

// The address of an endpoint; IPv4 in its mapped form.
IpAddress address_of(const boost::asio::ip::tcp::endpoint& endpoint);

}  // namespace brevdue::smtp
