#include "daemon/child_process.h"

#include <cerrno>

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

extern char** environ;

namespace brevdue::daemon {

std::string_view name_of(Role role) {
  switch (role) {
    case Role::smtpd:
      return "smtpd";
    case Role::qmgr:
      return "qmgr";
    case Role::delivery:
      return "delivery";
  }
  return "unknown";
}

namespace {
// Above every fixed number, so that placing one descriptor never closes another's source.
constexpr int parking = 256;

class SpawnPlan {
 public:
  SpawnPlan() {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawnattr_init(&attributes_);
    ::posix_spawnattr_setpgroup(&attributes_, 0);
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setsigdefault(&attributes_, &all);
    ::posix_spawnattr_setflags(
        &attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    ::posix_spawn_file_actions_addopen(&actions_, 0, "/dev/null", O_RDONLY, 0);
  }
  ~SpawnPlan() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  Result<void> place(int from, int to) {
    UniqueFd parked(::fcntl(from, F_DUPFD_CLOEXEC, parking));
    if (!parked) return fail_os(errno, "duplicate a descriptor for a role");
    const int error = ::posix_spawn_file_actions_adddup2(&actions_, parked.get(), to);
    if (error != 0) return fail_os(error, "place a descriptor for a role");
    parked_.push_back(std::move(parked));
    return {};
  }

  // What the master itself inherited ends here.
  Result<void> close_from(int first) {
    const int error = ::posix_spawn_file_actions_addclosefrom_np(&actions_, first);
    return error == 0 ? Result<void>() : fail_os(error, "close what a role must not have");
  }

  Result<pid_t> run(std::vector<char*> arguments) {
    pid_t pid = 0;
    const int error =
        ::posix_spawn(&pid, "/proc/self/exe", &actions_, &attributes_, arguments.data(), environ);
    if (error != 0) return fail_os(error, "start a role");
    return pid;
  }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
  std::vector<UniqueFd> parked_;
};
}  // namespace

Result<pid_t> start_child(const ChildStart& start) {
  SpawnPlan plan;
  std::vector<std::pair<int, int>> places = {{start.config, config_descriptor},
                                             {start.master_channel, master_descriptor},
                                             {start.log, log_descriptor}};
  int next = first_listener_descriptor;
  for (const int listener : start.listeners) places.emplace_back(listener, next++);
  for (const auto& [from, to] : places) {
    if (auto placed = plan.place(from, to); !placed) {
      return propagate(std::move(placed.error()));
    }
  }
  if (auto closed = plan.close_from(next); !closed) return propagate(std::move(closed.error()));
  std::string program = "brevdue";
  std::string command = "role";
  std::string role(name_of(start.role));
  std::string instance = start.instance;
  return plan.run({program.data(), command.data(), role.data(), instance.data(), nullptr});
}

Result<UniqueFd> sealed_file(const std::string& name, std::string_view text) {
  UniqueFd file(::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file) return fail_os(errno, "memfd_create");
  while (!text.empty()) {
    const ssize_t n = ::write(file.get(), text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail_os(errno, "write the config for a role");
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  if (::fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) !=
      0) {
    return fail_os(errno, "seal the config for a role");
  }
  return file;
}

Result<SocketPair> make_socket_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
    return fail_os(errno, "socketpair");
  }
  return SocketPair{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

}  // namespace brevdue::daemon
