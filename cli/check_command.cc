// `brevdue check`: everything that can be known before `serve` is run.
#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/control_client.h"
#include "cli/read_config.h"
#include "core/file_system.h"
#include "daemon/listeners.h"
#include "daemon/spool.h"
#include "daemon/store_choice.h"
#include "daemon/users.h"
#include "mirror/mirror_spool.h"
#include "queue/spool_directory.h"

namespace brevdue::cli {

namespace {
constexpr long nfs_magic = 0x6969;

std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

class Report {
 public:
  void problem(std::string_view text) {
    fmt::print("problem: {}\n", text);
    ++problems_;
  }
  // Worth knowing, and no reason to fail.
  void note(std::string_view text) { fmt::print("note: {}\n", text); }
  int problems() const { return problems_; }

 private:
  int problems_ = 0;
};

void check_accounts(const config::Config& config, Report& report) {
  if (!daemon::is_root()) return;
  for (const std::string* name : {&config.user.qmgr, &config.user.smtpd, &config.user.delivery}) {
    auto account = daemon::find_account(*name);
    if (!account)
      report.problem(describe(account.error()));
    else if (account->fallback) {
      report.note(fmt::format("there is no account \"{}\": that role would run as nobody", *name));
    }
  }
}

void check_file_system(const config::Config& config, const std::string& path, Report& report) {
  struct statfs found{};
  const std::string where = ::access(path.c_str(), F_OK) == 0 ? path : parent_of(path);
  if (::statfs(where.c_str(), &found) != 0) {
    return report.problem(fmt::format("spool {}: {}: {}; make the directory it is in", path, where,
                                      std::strerror(errno)));
  }
  if (found.f_type == TMPFS_MAGIC) {
    report.problem(fmt::format("spool {} is on a tmpfs: nothing there survives a power cut", path));
  }
  if (found.f_type == nfs_magic) {
    report.problem(
        fmt::format("spool {} is on NFS, which cannot promise what a 250 promises", path));
  }
  const std::uint64_t free =
      std::uint64_t{found.f_bavail} * static_cast<std::uint64_t>(found.f_bsize);
  if (free < 2 * config.queue.reserve) {
    report.problem(fmt::format("spool {} has {} MiB left, and queue.reserve alone is {} MiB", path,
                               free >> 20, config.queue.reserve >> 20));
  }
  struct stat inside{};
  struct stat outside{};
  if (daemon::backend_of_files(config) == config::Backend::maildir &&
      ::stat(where.c_str(), &inside) == 0 && ::stat("/", &outside) == 0 &&
      inside.st_dev == outside.st_dev) {
    report.note(
        "the spool shares its file system with the rest of the machine: maildir syncs whole "
        "file systems, so give it one of its own");
  }
}

void check_spool(const config::Config& config, const std::string& path, Report& report) {
  RealFileSystem files;
  if (::access(path.c_str(), F_OK) != 0) {
    if (::access(parent_of(path).c_str(), W_OK) != 0) {
      report.problem(
          fmt::format("spool {} does not exist and {} is not writable", path, parent_of(path)));
    }
    return;
  }
  const std::string_view wanted = daemon::name_of(daemon::backend_of_files(config));
  auto backend = queue::SpoolDirectory::backend_of(files, path);
  if (!backend && backend.error().code == ErrorCode::not_found) return;
  if (!backend) return report.problem(describe(backend.error()));
  if (*backend != wanted) {
    const bool mirror = config.queue.backend == config::Backend::mirror;
    report.problem(
        fmt::format("spool {} holds mail of backend \"{}\", the config says \"{}\"; set "
                    "queue.{}backend = \"{}\" or name another directory",
                    path, *backend, wanted, mirror ? "mirror." : "", *backend));
  }
}

void check_mirror(const config::Config& config, Report& report) {
  RealFileSystem files;
  const auto& paths = config.queue.mirror.paths;
  const std::array found{mirror::inspect(files, paths[0]), mirror::inspect(files, paths[1])};
  if (const auto plan = mirror::plan_start(found); !plan) report.problem(plan.error().context);
  struct stat first{};
  struct stat second{};
  const auto where = [](const std::string& path) {
    return ::access(path.c_str(), F_OK) == 0 ? path : parent_of(path);
  };
  if (::stat(where(paths[0]).c_str(), &first) == 0 &&
      ::stat(where(paths[1]).c_str(), &second) == 0 && first.st_dev == second.st_dev) {
    report.note(fmt::format("{} and {} are on one file system: a mirror is for two disks", paths[0],
                            paths[1]));
  }
}

// Only when nobody answers: a running Brevdue holds its own listeners.
void check_sockets(const config::Config& config, Report& report) {
  if (ControlClient::connect(config.control.socket)) {
    return report.note("Brevdue is running; its listeners were not tried");
  }
  const std::string directory = parent_of(config.control.socket);
  if (::access(directory.c_str(), F_OK) == 0 ? ::access(directory.c_str(), W_OK) != 0
                                             : ::access(parent_of(directory).c_str(), W_OK) != 0) {
    report.problem(
        fmt::format("control.socket {}: {} is not writable", config.control.socket, directory));
  }
  for (const config::Listener& listener : config.listen) {
    auto bound = daemon::bind_listener(listener);
    if (!bound) report.problem(describe(bound.error()));
  }
}

void check_log(const config::Config& config, Report& report) {
  const std::string& target = config.log.target;
  if (target == "stderr" || target == "syslog") return;
  const std::string tried = ::access(target.c_str(), F_OK) == 0 ? target : parent_of(target);
  if (::access(tried.c_str(), W_OK) != 0) {
    report.problem(fmt::format("log.target {}: {}: {}", target, tried, std::strerror(errno)));
  }
}
}  // namespace

int check(const std::string& config_path) {
  const auto config = read_config(config_path);
  if (!config) return 1;
  Report report;
  if (config->hostname.find('.') == std::string::npos) {
    report.note(fmt::format("hostname \"{}\" is not fully qualified; other servers may refuse it",
                            config->hostname));
  }
  check_accounts(*config, report);
  for (const std::string& path : daemon::spool_paths(*config)) {
    check_file_system(*config, path, report);
    check_spool(*config, path, report);
  }
  if (config->queue.backend == config::Backend::mirror) check_mirror(*config, report);
  check_sockets(*config, report);
  check_log(*config, report);
  if (report.problems() == 0) fmt::print("{}: good\n", config_path);
  return report.problems() == 0 ? 0 : 1;
}

}  // namespace brevdue::cli
