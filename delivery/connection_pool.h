// The idle connections of a delivery process, kept for the next message to the same next hop.
//
// Loop thread only. An idle connection is closed with QUIT after `connection_idle`, when another
// destination needs its place, or when it has carried as many messages as it may. One that the
// server closed or spoke on meanwhile is never handed out.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>

#include "delivery/relay_options.h"
#include "delivery/route.h"
#include "smtp/client_connection.h"

namespace brevdue::delivery {

struct PooledConnection {
  PooledConnection(boost::asio::ip::tcp::socket socket, smtp::ClientOptions options,
                   const smtp::ClientDeadlines& deadlines, std::string next_hop_in,
                   RelayAddress address_in);

  smtp::ClientConnection smtp;
  std::string next_hop;
  RelayAddress address;
  std::string relay;  // "h[ip]:port"
};

class ConnectionPool {
 public:
  // `options` must outlive the pool and the connections.
  ConnectionPool(boost::asio::io_context& loop, const RelayOptions& options);
  ~ConnectionPool();
  ConnectionPool(const ConnectionPool&) = delete;
  ConnectionPool& operator=(const ConnectionPool&) = delete;

  // The one that was used last, or nothing.
  std::unique_ptr<PooledConnection> take(std::string_view next_hop);
  // Keeps the connection, or closes it if it is of no more use.
  void put(std::unique_ptr<PooledConnection> connection);
  // Closes the one that is idle for the longest time; false if none is.
  bool evict();
  void close_all();
  std::size_t idle() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace brevdue::delivery
