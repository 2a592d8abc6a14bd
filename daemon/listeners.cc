#include "daemon/listeners.h"

#include <cerrno>
#include <cstring>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "config/address.h"

namespace brevdue::daemon {

namespace {
constexpr int backlog = 1024;

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

Result<SocketAddress> socket_address(const std::string& text) {
  const auto endpoint = config::parse_socket_address(text);
  if (!endpoint) return fail(ErrorCode::invalid_argument, "listener " + text);
  SocketAddress address;
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  if (::inet_pton(AF_INET, endpoint->host.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(endpoint->port);
    std::memcpy(&address.storage, &v4, sizeof v4);
    address.size = sizeof v4;
  } else if (::inet_pton(AF_INET6, endpoint->host.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(endpoint->port);
    std::memcpy(&address.storage, &v6, sizeof v6);
    address.size = sizeof v6;
  } else {
    return fail(ErrorCode::invalid_argument, "listener " + text + " is no address");
  }
  return address;
}

std::string print(const SocketAddress& address) {
  char text[INET6_ADDRSTRLEN] = {};
  if (address.storage.ss_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &address.storage, sizeof v4);
    ::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    return fmt::format("{}:{}", text, ntohs(v4.sin_port));
  }
  sockaddr_in6 v6{};
  std::memcpy(&v6, &address.storage, sizeof v6);
  ::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
  return fmt::format("[{}]:{}", text, ntohs(v6.sin6_port));
}
}  // namespace

Result<BoundListener> bind_listener(const config::Listener& listener) {
  auto address = socket_address(listener.address);
  if (!address) return propagate(std::move(address.error()));
  const int family = address->storage.ss_family;
  UniqueFd socket(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return fail_os(errno, "socket for " + listener.address);
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (family == AF_INET6) ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (::bind(socket.get(), address->get(), address->size) != 0) {
    const int error = errno;
    std::string remedy;
    if (error == EACCES) remedy = " (ports below 1024 need root or CAP_NET_BIND_SERVICE)";
    if (error == EADDRINUSE) remedy = " (another server listens there)";
    return fail_os(error, "bind " + listener.address + remedy);
  }
  if (::listen(socket.get(), backlog) != 0) return fail_os(errno, "listen " + listener.address);
  address->size = sizeof address->storage;
  if (::getsockname(socket.get(), address->get(), &address->size) != 0) {
    return fail_os(errno, "getsockname " + listener.address);
  }
  return BoundListener{listener.address, print(*address), std::move(socket)};
}

Result<UniqueFd> bind_control_socket(const std::string& path, uid_t owner, gid_t group) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("control.socket is longer than {} bytes: {}",
                            sizeof address.sun_path - 1, path));
  }
  std::memcpy(address.sun_path, path.c_str(), path.size());
  const std::string directory = path.substr(0, path.rfind('/'));
  if (!directory.empty() && ::mkdir(directory.c_str(), 0755) != 0 && errno != EEXIST) {
    return fail_os(errno, "make the directory of control.socket " + path);
  }
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return fail_os(errno, "control socket");
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  if (::connect(socket.get(), generic, sizeof address) == 0 || errno == EAGAIN) {
    return fail(ErrorCode::busy, "another Brevdue answers on " + path + "; stop it first");
  }
  socket.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return fail_os(errno, "control socket");
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return fail_os(errno, "replace " + path);
  const mode_t before = ::umask(0177);
  const int bound = ::bind(socket.get(), generic, sizeof address);
  const int error = errno;
  ::umask(before);
  if (bound != 0) return fail_os(error, "bind " + path);
  if (::geteuid() == 0 && ::chown(path.c_str(), owner, group) != 0) {
    return fail_os(errno, "chown " + path);
  }
  if (::listen(socket.get(), 64) != 0) return fail_os(errno, "listen " + path);
  return socket;
}

}  // namespace brevdue::daemon
