#include "bench/load/socket_address.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

namespace brevdue::load {

namespace {

Result<std::pair<std::string, std::string>> split_host_port(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == text.size()) {
    return fail(ErrorCode::invalid_argument, fmt::format("not HOST:PORT: {}", text));
  }
  std::string_view host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  return std::pair(std::string(host), std::string(text.substr(colon + 1)));
}

}  // namespace

Result<SocketAddress> SocketAddress::resolve(std::string_view host_and_port) {
  auto parts = split_host_port(host_and_port);
  if (!parts) return propagate(std::move(parts.error()));
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (const int code = getaddrinfo(parts->first.c_str(), parts->second.c_str(), &hints, &found);
      code != 0) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("{}: {}", host_and_port, gai_strerror(code)));
  }
  SocketAddress address;
  std::memcpy(&address.storage_, found->ai_addr, found->ai_addrlen);
  address.size_ = found->ai_addrlen;
  freeaddrinfo(found);
  return address;
}

Result<UniqueFd> SocketAddress::listen(int backlog) const {
  UniqueFd fd(::socket(storage_.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return fail_os(errno, "socket");
  const int on = 1;
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) {
    return fail_os(errno, "SO_REUSEADDR");
  }
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&storage_), size_) != 0) {
    return fail_os(errno, "cannot bind " + text());
  }
  if (::listen(fd.get(), backlog) != 0) return fail_os(errno, "cannot listen on " + text());
  return fd;
}

Result<UniqueFd> SocketAddress::connect() const {
  UniqueFd fd(::socket(storage_.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return fail_os(errno, "socket");
  set_no_delay(fd.get());
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&storage_), size_) != 0 &&
      errno != EINPROGRESS) {
    return fail_os(errno, "cannot connect to " + text());
  }
  return fd;
}

std::string SocketAddress::text() const {
  char host[INET6_ADDRSTRLEN] = "?";
  if (storage_.ss_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&storage_);
    ::inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
    return fmt::format("[{}]:{}", host, port());
  }
  const auto* v4 = reinterpret_cast<const sockaddr_in*>(&storage_);
  ::inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
  return fmt::format("{}:{}", host, port());
}

std::uint16_t SocketAddress::port() const {
  // sockaddr_in and sockaddr_in6 have the port at the same place.
  return ntohs(reinterpret_cast<const sockaddr_in*>(&storage_)->sin_port);
}

Result<SocketAddress> SocketAddress::of_socket(int fd) {
  SocketAddress address;
  address.size_ = sizeof address.storage_;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address.storage_), &address.size_) != 0) {
    return fail_os(errno, "getsockname");
  }
  return address;
}

void set_no_delay(int fd) {
  const int on = 1;
  // A socket without the option is slower, nothing else.
  static_cast<void>(::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
}

}  // namespace brevdue::load
