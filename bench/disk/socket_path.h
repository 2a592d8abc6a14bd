// The address of a Unix socket, for both ends of the control channel.
#pragma once

#include <cstring>
#include <string>

#include <sys/socket.h>
#include <sys/un.h>

#include "core/error.h"

namespace brevdue::disk {

// invalid_argument when the path does not fit into the 107 bytes that the kernel allows.
inline Result<sockaddr_un> socket_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return fail(ErrorCode::invalid_argument, "socket path '" + path + "' must have 1 to 107 bytes");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

}  // namespace brevdue::disk
