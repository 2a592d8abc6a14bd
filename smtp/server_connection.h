// Runs one ServerSession on a TCP socket: the coroutine that reads, writes and waits for it.
//
// One thread, that of the io_context. All connections of a process read into one buffer, since
// between reading and the end of receive() nothing suspends: an idle connection holds no buffer.
// What a waiting session has not taken is kept aside, at most one buffer full. Replies of a
// pipelined group leave in one write. One timer a connection, set again when it fires early rather
// than at each step, cancels the socket's waits. The owner keeps the connection alive until run()
// has ended, and the ServerContext until the io_context is gone.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "core/clock.h"
#include "smtp/networks.h"
#include "smtp/reception.h"
#include "smtp/server_options.h"
#include "smtp/server_session.h"

namespace brevdue::smtp {

struct ServerContext {
  const ServerOptions& options;
  Reception& reception;
  const Clock& clock;
  std::vector<char> read_buffer = std::vector<char>(std::size_t{64} * 1024);
};

class ServerConnection : public std::enable_shared_from_this<ServerConnection> {
 public:
  ServerConnection(boost::asio::ip::tcp::socket socket, const IpAddress& client,
                   ServerContext& context);

  boost::asio::awaitable<void> run();
  // Both return at once; run() ends soon (drain: after the transaction that is open).
  void drain();
  void abort();

  const IpAddress& client() const { return client_; }

 private:
  enum class Io : std::uint8_t { progress, blocked, broken };

  void prepare();
  Io read();
  Io write();
  void give(std::string_view bytes);
  void keep_deadline(SteadyTime deadline);
  void deadline_reached();
  SteadyTime deadline() const;
  void wake();
  void interrupt();
  void lost();
  boost::asio::awaitable<void> progress();
  boost::asio::awaitable<void> see_off();

  boost::asio::ip::tcp::socket socket_;
  const IpAddress client_;
  ServerContext& context_;
  std::shared_ptr<ServerSession> session_;
  boost::asio::steady_timer timer_;
  SteadyTime armed_until_ = SteadyTime::max();
  // Not max() while the client does not take what we write, or is being seen off.
  SteadyTime own_deadline_ = SteadyTime::max();
  // any_completion_handler of Boost 1.81 recurses without end when it is posted.
  std::move_only_function<void()> waiter_;
  std::string kept_;  // bytes the session has not taken
  std::size_t written_ = 0;
  bool expired_ = false;
  bool gone_ = false;
  bool draining_ = false;
};

}  // namespace brevdue::smtp
