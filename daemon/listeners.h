// The sockets that the master binds: SMTP listeners, once each, inherited by every smtpd; and the
// control socket, handed to qmgr.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"
#include "core/error.h"
#include "core/unique_fd.h"

namespace brevdue::daemon {

struct BoundListener {
  std::string configured;  // as the config names it
  std::string bound;       // with the port the kernel chose
  UniqueFd socket;
};

// Binds and listens. Fails with what to do: a port below 1024 without the right, an address in use.
Result<BoundListener> bind_listener(const config::Listener& listener);

// Binds the control socket, mode 0600, in a directory that is made if it is missing (0755). A
// socket file that nobody answers on is replaced; one that somebody answers on is `busy`. As root,
// the file is given to `owner`.
Result<UniqueFd> bind_control_socket(const std::string& path, uid_t owner, gid_t group);

}  // namespace brevdue::daemon
