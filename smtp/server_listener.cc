#include "smtp/server_listener.h"

#include <exception>
#include <string>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <sys/socket.h>

namespace brevdue::smtp {

namespace asio = boost::asio;
using asio::ip::tcp;

static constexpr auto token = asio::as_tuple(asio::use_awaitable);

static std::string reason(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& exception) {
    return exception.what();
  } catch (...) {
    return "unknown exception";
  }
}

IpAddress address_of(const tcp::endpoint& endpoint) {
  const asio::ip::address address = endpoint.address();
  return address.is_v4() ? IpAddress::v4(address.to_v4().to_bytes())
                         : IpAddress::v6(address.to_v6().to_bytes());
}

ServerListener::ServerListener(asio::io_context& io, const ServerOptions& options,
                               const ListenerOptions& limits, Reception& reception,
                               const Clock& clock)
    : io_(io),
      limits_(limits),
      context_{.options = options, .reception = reception, .clock = clock} {}

Result<void> ServerListener::listen(UniqueFd listening) {
  sockaddr_storage name{};
  socklen_t name_size = sizeof name;
  if (::getsockname(listening.get(), reinterpret_cast<sockaddr*>(&name), &name_size) != 0) {
    return fail_os(errno, "getsockname of a listening socket");
  }
  if (name.ss_family != AF_INET && name.ss_family != AF_INET6) {
    return fail(ErrorCode::invalid_argument, "a listening socket is not TCP");
  }
  Door& door = doors_.emplace_back(Door{tcp::acceptor(io_), asio::steady_timer(io_)});
  boost::system::error_code error;
  door.acceptor.assign(name.ss_family == AF_INET ? tcp::v4() : tcp::v6(), listening.get(), error);
  if (error) {
    doors_.pop_back();
    return fail_os(error.value(), "watching a listening socket");
  }
  listening.release();
  asio::co_spawn(io_, accept_from(door), [this](std::exception_ptr thrown) {
    if (thrown) {
      context_.reception.log("smtpd", "warning: accepting ended: " + reason(thrown));
    }
  });
  return {};
}

asio::awaitable<void> ServerListener::accept_from(Door& door) {
  constexpr auto pause = std::chrono::milliseconds(100);
  co_await asio::this_coro::throw_if_cancelled(false);
  tcp::endpoint peer;
  while (!draining_) {
    tcp::socket socket(io_);
    const auto [error] = co_await door.acceptor.async_accept(socket, peer, token);
    if (draining_) break;
    if (!error) {
      admit(std::move(socket), address_of(peer));
      continue;
    }
    if (error == asio::error::connection_aborted || error == asio::error::interrupted) continue;
    context_.reception.log("smtpd", "warning: accept: " + error.message());
    door.pause.expires_after(pause);
    co_await door.pause.async_wait(token);
  }
}

void ServerListener::admit(tcp::socket socket, const IpAddress& client) {
  const std::string& hostname = context_.options.hostname;
  if (connections_.size() >= limits_.sessions_max) {
    context_.reception.log("smtpd", fmt::format("warning: all {} sessions are taken, refusing "
                                                "unknown[{}]",
                                                limits_.sessions_max, client.text()));
    return refuse(socket, "421 4.3.2 " + hostname + " All server ports are busy\r\n");
  }
  std::size_t& open = per_client_[client];
  if (open >= limits_.sessions_per_client_max) {
    context_.reception.log(
        "smtpd", fmt::format("warning: Connection concurrency limit exceeded: {} from unknown[{}] "
                             "for service smtp",
                             open + 1, client.text()));
    return refuse(socket, "421 4.7.0 " + hostname + " Error: too many connections from " +
                              client.text() + "\r\n");
  }
  ++open;
  auto connection = std::make_shared<ServerConnection>(std::move(socket), client, context_);
  connections_.insert(connection);
  asio::co_spawn(io_, connection->run(),
                 [this, connection](std::exception_ptr error) { ended(connection, error); });
}

void ServerListener::refuse(tcp::socket& socket, std::string_view reply) const {
  // A new connection has room for one line; if not, the client gets no reason.
  const auto sent =
      ::send(socket.native_handle(), reply.data(), reply.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  static_cast<void>(sent);
  boost::system::error_code ignored;
  socket.close(ignored);
}

void ServerListener::ended(const std::shared_ptr<ServerConnection>& connection,
                           std::exception_ptr error) {
  if (error) {
    context_.reception.log("smtpd", fmt::format("warning: session with unknown[{}] ended: {}",
                                                connection->client().text(), reason(error)));
  }
  const auto count = per_client_.find(connection->client());
  BREVDUE_ASSERT(count != per_client_.end() && count->second > 0);
  if (--count->second == 0) per_client_.erase(count);
  connections_.erase(connection);
  if (draining_ && connections_.empty() && drained_) std::exchange(drained_, nullptr)();
}

void ServerListener::drain(std::move_only_function<void()> drained) {
  draining_ = true;
  drained_ = std::move(drained);
  for (Door& door : doors_) {
    boost::system::error_code ignored;
    door.acceptor.close(ignored);
    door.pause.cancel();
  }
  for (const auto& connection : connections_) connection->drain();
  if (connections_.empty() && drained_) std::exchange(drained_, nullptr)();
}

void ServerListener::abort() {
  for (const auto& connection : connections_) connection->abort();
}

}  // namespace brevdue::smtp
