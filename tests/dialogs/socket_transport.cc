#include "tests/dialogs/socket_transport.h"

#include <cerrno>

#include <netdb.h>
#include <sys/socket.h>
#include <sys/time.h>

namespace brevdue::dialogs {

Result<std::unique_ptr<SocketTransport>> SocketTransport::connect(
    const std::string& host, std::uint16_t port, std::chrono::milliseconds patience) {
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int status = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &wanted, &found);
  if (status != 0) return fail(ErrorCode::invalid_argument, host + ": " + gai_strerror(status));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> address(found, &::freeaddrinfo);
  UniqueFd socket(::socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return fail_os(errno, "socket");
  timeval limit{};
  limit.tv_sec = patience.count() / 1000;
  limit.tv_usec = patience.count() % 1000 * 1000;
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0) {
    return fail_os(errno, "SO_RCVTIMEO");
  }
  if (::connect(socket.get(), address->ai_addr, address->ai_addrlen) != 0) {
    return fail_os(errno, "connect to " + host);
  }
  return std::unique_ptr<SocketTransport>(new SocketTransport(std::move(socket)));
}

void SocketTransport::send(std::string_view group) {
  while (!group.empty()) {
    const auto size = ::send(socket_.get(), group.data(), group.size(), MSG_NOSIGNAL);
    if (size < 0 && errno == EINTR) continue;
    // The server may close while we still talk; what it said is there to be read.
    if (size < 0) return;
    group.remove_prefix(static_cast<std::size_t>(size));
  }
}

bool SocketTransport::read_more() {
  char buffer[4096];
  while (!at_end_ && socket_) {
    const auto size = ::recv(socket_.get(), buffer, sizeof buffer, 0);
    if (size < 0 && errno == EINTR) continue;
    if (size > 0) {
      said_.append(buffer, static_cast<std::size_t>(size));
      return true;
    }
    at_end_ = size == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
    return false;
  }
  return false;
}

std::optional<std::string> SocketTransport::read_line() {
  while (true) {
    const auto end = said_.find("\r\n");
    if (end != std::string::npos) {
      std::string line = said_.substr(0, end);
      said_.erase(0, end + 2);
      return line;
    }
    if (!read_more()) return std::nullopt;
  }
}

bool SocketTransport::closed() {
  while (said_.empty() && read_more()) {
  }
  return said_.empty() && (at_end_ || !socket_);
}

}  // namespace brevdue::dialogs
