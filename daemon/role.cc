#include "daemon/role.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <stdexcept>

#include <boost/asio/post.hpp>
#include <fmt/format.h>
#include <malloc.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "config/load.h"
#include "core/file_system.h"
#include "daemon/users.h"

namespace brevdue::daemon {

namespace {
constexpr std::size_t config_bytes_max = 1u << 20;
// The master brings a new channel by itself when qmgr is started anew; this is for all other cases.
constexpr std::chrono::seconds reattach_delay{1};
constexpr rlim_t descriptors_wanted = 65'536;

// The usual 1024 are for programs that use select(): a process here has one for each session.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= descriptors_wanted) return;
  limit.rlim_cur = std::min(limit.rlim_max, descriptors_wanted);
  // Refused, fewer sessions fit: each of them is refused by itself.
  static_cast<void>(::setrlimit(RLIMIT_NOFILE, &limit));
}

[[noreturn]] void cannot_start(Role role, const std::string& why) {
  throw std::runtime_error(fmt::format("{} cannot start: {}", name_of(role), why));
}

config::Config handed_config(Role role) {
  RealFileSystem files;
  std::string text(config_bytes_max, '\0');
  auto size = read_all(files, config_descriptor, text.data(), text.size(), 0);
  if (!size) cannot_start(role, describe(size.error()));
  text.resize(*size);
  auto config = config::parse(text, "the config handed down by the master");
  if (!config) cannot_start(role, config.error().front().describe());
  return std::move(*config);
}

const std::string& user_of(Role role, const config::UserConfig& users) {
  switch (role) {
    case Role::smtpd:
      return users.smtpd;
    case Role::qmgr:
      return users.qmgr;
    case Role::delivery:
      break;
  }
  return users.delivery;
}

// Content comes and goes in blocks of up to 128 KiB. glibc would give the end of the heap back
// after each and take it again, cleared, page by page, for the next. Refused, it only costs time.
void keep_freed_memory() {
  static_cast<void>(::mallopt(M_MMAP_THRESHOLD, 1 << 20));
  static_cast<void>(::mallopt(M_TRIM_THRESHOLD, 16 << 20));
  static_cast<void>(::mallopt(M_TOP_PAD, 1 << 20));
}

// "smtp" is what log tools call the process that relays.
std::string program_of(Role role) {
  return role == Role::delivery ? "smtp" : std::string(name_of(role));
}
}  // namespace

RoleProcess::RoleProcess(Role role, std::string instance) : config_(handed_config(role)) {
  unsigned slot = 0;
  const auto slash = instance.find('/');
  if (slash == std::string::npos)
    cannot_start(role, "it is started by `brevdue serve`, not by hand");
  std::from_chars(instance.data(), instance.data() + slash, slot);
  std::from_chars(instance.data() + slash + 1, instance.data() + instance.size(), listener_count_);
  slot_ = static_cast<std::uint16_t>(slot);
  const bool to_syslog = config_.log.target == "syslog";
  if (to_syslog) ::openlog("", LOG_NDELAY, LOG_MAIL);
  log_ = std::make_unique<Log>(
      LogOptions{config_.hostname, config_.log.ident, program_of(role), log_descriptor, to_syslog},
      clock_);
  log_->collect([this] { boost::asio::post(loop_, [this] { log_->flush(); }); });
  if (is_root()) {
    auto account = find_account(user_of(role, config_.user));
    if (!account) cannot_start(role, describe(account.error()));
    if (auto done = become(*account); !done) cannot_start(role, describe(done.error()));
  }
  // What ps and top show in place of "exe".
  ::prctl(PR_SET_NAME, ("brevdue-" + std::string(name_of(role))).substr(0, 15).c_str(), 0, 0, 0);
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGHUP, SIG_IGN);
  ::umask(0077);
  raise_descriptor_limit();
  keep_freed_memory();
  master_ = std::make_unique<ipc::Channel>(loop_, UniqueFd(master_descriptor));
}

RoleProcess::~RoleProcess() {
  // What is still suspended in the loop logs as it goes, and the loop runs no more.
  log_->stop_collecting();
}

int RoleProcess::run() {
  master_->start([this](std::uint8_t type, std::string_view payload,
                        UniqueFd fd) { on_frame(type, payload, std::move(fd)); },
                 [this](const Error&) {
                   // Without a master nobody restarts or stops us: whoever is to blame, end here.
                   loop_.stop();
                 });
  loop_.run();
  return 0;
}

void RoleProcess::detached() {
  reattach_.expires_after(reattach_delay);
  reattach_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    master_->send(static_cast<std::uint8_t>(MasterFrame::detached), {});
    detached();
  });
}

void RoleProcess::ready() {
  master_->send(static_cast<std::uint8_t>(MasterFrame::ready), {});
}

void RoleProcess::on_frame(std::uint8_t type, std::string_view payload, UniqueFd fd) {
  switch (static_cast<MasterFrame>(type)) {
    case MasterFrame::attach: {
      auto attach = decode_attach(payload);
      if (!attach || !fd) return log_->error("the master sent a malformed attach");
      reattach_.cancel();
      if (on_attach_) on_attach_(*attach, std::move(fd));
      return;
    }
    case MasterFrame::drain:
      if (on_drain_) on_drain_();
      return;
    case MasterFrame::configure:
      // The log may have been rotated: the new file takes the place of the old one.
      log_->flush();
      if (fd && ::dup2(fd.get(), log_descriptor) < 0) log_->error("cannot take the new log file");
      if (on_configure_) on_configure_(std::string(payload));
      return;
    case MasterFrame::ready:
    case MasterFrame::detached:
      return;
  }
}

}  // namespace brevdue::daemon
