// Starts a role: this program again, by exec, with its descriptors at fixed numbers and nothing
// else open. Stores, maps and rings are opened in the child, never carried over a fork.
//
//   0 /dev/null   1, 2 the master's   3 config (a sealed memory file)   4 channel to the master
//   5 log   6… listeners, in the order of the config (smtpd), or the control listener (qmgr)
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

#include "core/error.h"
#include "core/unique_fd.h"

namespace brevdue::daemon {

inline constexpr int config_descriptor = 3;
inline constexpr int master_descriptor = 4;
inline constexpr int log_descriptor = 5;
inline constexpr int first_listener_descriptor = 6;

enum class Role { smtpd, qmgr, delivery };
std::string_view name_of(Role role);

struct ChildStart {
  Role role;
  std::string instance;  // shown in ps: "smtpd 1"
  int config;
  int master_channel;
  int log;
  std::vector<int> listeners;
};

// The child leads a process group of its own, so that a terminal's Ctrl-C reaches only the master.
Result<pid_t> start_child(const ChildStart& start);

// A memory file that holds `text` and cannot be changed any more.
Result<UniqueFd> sealed_file(const std::string& name, std::string_view text);

struct SocketPair {
  UniqueFd first;
  UniqueFd second;
};
Result<SocketPair> make_socket_pair();

}  // namespace brevdue::daemon
