// HOST:PORT as the load programs take it ("127.0.0.1:2525", "[::1]:25", "localhost:0"), and the
// sockets made of it: non-blocking, close-on-exec, TCP_NODELAY.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <sys/socket.h>

#include "core/error.h"
#include "core/unique_fd.h"

namespace brevdue::load {

class SocketAddress {
 public:
  // Looks names up; the first address counts.
  static Result<SocketAddress> resolve(std::string_view host_and_port);

  Result<UniqueFd> listen(int backlog) const;
  // The connection is under way when this returns; its socket becomes writable when it is up.
  Result<UniqueFd> connect() const;

  std::string text() const;
  std::uint16_t port() const;
  // The address a listening socket got, with the port that 0 stood for.
  static Result<SocketAddress> of_socket(int fd);

 private:
  sockaddr_storage storage_{};
  socklen_t size_ = 0;
};

void set_no_delay(int fd);

}  // namespace brevdue::load
