#include "daemon/master.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "config/load.h"
#include "config/print.h"
#include "daemon/spool.h"
#include "daemon/store_choice.h"
#include "mail/queue_id.h"

namespace brevdue::daemon {

namespace {
using namespace std::chrono_literals;
constexpr auto backoff_min = 100ms;
constexpr auto backoff_max = 10'000ms;
constexpr auto long_lived = 10s;
constexpr auto stop_patience = 30s;
}  // namespace

Master::Master(std::string config_path, config::Config config)
    : config_path_(std::move(config_path)),
      config_(std::move(config)),
      signals_(loop_, SIGTERM, SIGINT, SIGHUP),
      deadline_(loop_) {
  signals_.add(SIGCHLD);
}

Master::~Master() {
  kill_all();
}

int Master::run() {
  if (auto prepared = prepare(); !prepared) {
    std::fprintf(stderr, "brevdue: %s\n", describe(prepared.error()).c_str());
    return prepared.error().code == ErrorCode::busy ? EX_TEMPFAIL : EX_OSERR;
  }
  log_->info(fmt::format("starting: backend {}, spool {}", name_of(config_.queue.backend),
                         spool_text(config_)));
  for (const BoundListener& listener : listeners_) log_->info("listening on " + listener.bound);
  add_position(Role::qmgr);
  add_positions();
  for (const auto& position : positions_) start(*position);
  wait_for_signal();
  loop_.run();
  return exit_code_;
}

Result<void> Master::prepare() {
  if (auto done = open_log(); !done) return done;
  ::signal(SIGPIPE, SIG_IGN);
  Account account{::getuid(), ::getgid(), false};
  if (is_root()) {
    for (const std::string* name :
         {&config_.user.qmgr, &config_.user.smtpd, &config_.user.delivery}) {
      auto found = find_account(*name);
      if (!found) return propagate(std::move(found.error()));
      if (name == &config_.user.qmgr) account = *found;
      if (found->fallback)
        log_->warning(fmt::format("no account \"{}\": that role runs as nobody", *name));
    }
  }
  if (auto done = prepare_spool(account); !done) return done;
  auto control = bind_control_socket(config_.control.socket, account.user, account.group);
  if (!control) return propagate(std::move(control.error()));
  control_ = std::move(*control);
  auto listeners = bind_listeners();
  if (!listeners) return propagate(std::move(listeners.error()));
  keep_listeners(std::move(*listeners));
  return publish_config();
}

Result<void> Master::open_log() {
  LogOptions options{config_.hostname, config_.log.ident, "master", 2,
                     config_.log.target == "syslog"};
  if (config_.log.target != "stderr" && !options.syslog) {
    UniqueFd file(
        ::open(config_.log.target.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640));
    if (!file) return fail_os(errno, "open log.target " + config_.log.target);
    log_file_ = std::move(file);
    options.fd = log_file_.get();
  } else {
    log_file_.reset();
  }
  log_ = std::make_unique<Log>(options, clock_);
  return {};
}

Result<void> Master::prepare_spool(const Account& account) {
  const std::vector<std::string> paths = spool_paths(config_);
  const auto exists = [](const std::string& path) { return ::access(path.c_str(), F_OK) == 0; };
  // A mirror begins with two new directories; where only one is missing its disk may not be
  // mounted.
  if (std::ranges::any_of(paths, exists)) return {};
  for (const std::string& path : paths) {
    if (::mkdir(path.c_str(), 0700) != 0) return fail_os(errno, "make the spool " + path);
    if (is_root() && ::chown(path.c_str(), account.user, account.group) != 0) {
      return fail_os(errno, "chown " + path);
    }
  }
  return {};
}

Result<std::vector<BoundListener>> Master::bind_listeners() const {
  std::vector<BoundListener> added;
  for (const config::Listener& wanted : config_.listen) {
    const auto at = std::ranges::find(listeners_, wanted.address, &BoundListener::configured);
    if (at != listeners_.end()) continue;
    auto bound = bind_listener(wanted);
    if (!bound) return propagate(std::move(bound.error()));
    added.push_back(std::move(*bound));
  }
  return added;
}

// Keeps what is bound already: a reload must not lose a connection that waits in its backlog.
void Master::keep_listeners(std::vector<BoundListener> added) {
  std::erase_if(listeners_, [&](const BoundListener& old) {
    return std::ranges::none_of(config_.listen, [&](const config::Listener& wanted) {
      return wanted.address == old.configured;
    });
  });
  std::ranges::move(added, std::back_inserter(listeners_));
}

Result<void> Master::publish_config() {
  auto file = sealed_file("brevdue-config", config::effective(config_));
  if (!file) return propagate(std::move(file.error()));
  config_file_ = std::move(*file);
  return {};
}

void Master::add_positions() {
  for (std::uint32_t i = 0; i < config_.smtpd.processes; ++i) add_position(Role::smtpd);
  for (std::uint32_t i = 0; i < config_.delivery.processes; ++i) add_position(Role::delivery);
}

Master::Position& Master::add_position(Role role) {
  auto position = std::make_shared<Position>(loop_);
  position->role = role;
  position->slot = role == Role::qmgr ? 0 : free_slot(role);
  positions_.push_back(std::move(position));
  return *positions_.back();
}

// A slot that nobody holds, later ones first: ids of two processes never share a slot by accident.
std::uint16_t Master::free_slot(Role role) {
  do {
    last_slot_ = static_cast<std::uint16_t>(last_slot_ % mail::QueueId::slot_max + 1);
  } while (std::ranges::any_of(positions_, [&](const auto& other) {
    return other->role == role && other->slot == last_slot_;
  }));
  return last_slot_;
}

Master::Position* Master::qmgr() {
  const auto at = std::ranges::find_if(
      positions_, [](const auto& position) { return position->role == Role::qmgr; });
  return at == positions_.end() ? nullptr : at->get();
}

void Master::start(Position& position) {
  auto ends = make_socket_pair();
  if (!ends) {
    log_->error(describe(ends.error()));
    return start_later(position);
  }
  ChildStart child{position.role,
                   {},
                   config_file_.get(),
                   ends->second.get(),
                   log_file_ ? log_file_.get() : 2,
                   {}};
  if (position.role == Role::smtpd) {
    for (const BoundListener& listener : listeners_)
      child.listeners.push_back(listener.socket.get());
  }
  if (position.role == Role::qmgr) child.listeners.push_back(control_.get());
  child.instance = fmt::format("{}/{}", position.slot, child.listeners.size());
  auto pid = start_child(child);
  if (!pid) {
    log_->error(describe(pid.error()));
    return start_later(position);
  }
  position.pid = *pid;
  position.started = clock_.steady();
  position.ready = false;
  position.channel = std::make_unique<ipc::Channel>(loop_, std::move(ends->first));
  position.channel->start([this, &position](std::uint8_t type, std::string_view,
                                            UniqueFd) { on_frame(position, type); },
                          [](const Error&) {});
  if (position.role != Role::qmgr) return connect(position);
  for (const auto& other : positions_) {
    if (other->role != Role::qmgr) connect(*other);
  }
}

// Brings qmgr and an smtpd or delivery process together with a fresh pair of sockets.
void Master::connect(Position& peer) {
  Position* queue = qmgr();
  if (queue == nullptr || queue->pid == 0 || peer.pid == 0) return;
  auto ends = make_socket_pair();
  if (!ends) return log_->error(describe(ends.error()));
  constexpr auto type = static_cast<std::uint8_t>(MasterFrame::attach);
  queue->channel->send(type,
                       encode(Attach{peer.role, peer.slot, static_cast<std::uint32_t>(peer.pid)}),
                       {}, std::move(ends->first));
  peer.channel->send(type, encode(Attach{Role::qmgr, 0, static_cast<std::uint32_t>(queue->pid)}),
                     {}, std::move(ends->second));
}

void Master::on_frame(Position& position, std::uint8_t type) {
  if (static_cast<MasterFrame>(type) == MasterFrame::detached) return connect(position);
  if (static_cast<MasterFrame>(type) != MasterFrame::ready) return;
  position.ready = true;
  if (position.role == Role::smtpd) ever_ready_ = true;
}

void Master::reap() {
  // Looked for first: what follows from an end may change the positions.
  std::vector<std::pair<std::shared_ptr<Position>, int>> gone;
  for (const auto& position : positions_) {
    int status = 0;
    if (position->pid != 0 && ::waitpid(position->pid, &status, WNOHANG) == position->pid) {
      gone.emplace_back(position, status);
    }
  }
  for (const auto& [position, status] : gone) ended(*position, status);
  std::erase_if(positions_,
                [](const auto& position) { return !position->wanted && position->pid == 0; });
  if (stopping_) stop_next();
}

void Master::ended(Position& position, int status) {
  const pid_t pid = std::exchange(position.pid, 0);
  position.channel.reset();
  const bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  if (!position.wanted && clean) return;
  const std::string how = WIFSIGNALED(status)
                              ? fmt::format("was killed by signal {}", WTERMSIG(status))
                              : fmt::format("exited with status {}", WEXITSTATUS(status));
  log_->warning(fmt::format("{} {} [{}] {}", name_of(position.role), position.slot, pid, how));
  if (!position.wanted || stopping_) return;
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
  if (!ever_ready_ && !position.ready && code >= EX__BASE && code <= EX__MAX) {
    exit_code_ = code;
    return begin_stopping();
  }
  if (clock_.steady() - position.started >= long_lived) position.backoff = 0ms;
  start_later(position);
}

void Master::start_later(Position& position) {
  if (position.backoff == 0ms) {
    position.backoff = backoff_min;
    position.timer.expires_after(0ms);
  } else {
    position.timer.expires_after(position.backoff);
    position.backoff = std::min<std::chrono::milliseconds>(position.backoff * 2, backoff_max);
  }
  // Its time may have come in the turn of the loop in which the position is given up.
  position.timer.async_wait(
      [this, kept = std::weak_ptr(shared(position))](boost::system::error_code error) {
        const auto later = kept.lock();
        if (!error && later && !stopping_ && later->wanted) start(*later);
      });
}

std::shared_ptr<Master::Position> Master::shared(const Position& position) const {
  const auto at =
      std::ranges::find_if(positions_, [&](const auto& other) { return other.get() == &position; });
  BREVDUE_ASSERT(at != positions_.end());
  return *at;
}

void Master::wait_for_signal() {
  signals_.async_wait([this](boost::system::error_code error, int signal) {
    if (error) return;
    if (signal == SIGCHLD) reap();
    if (signal == SIGHUP && !stopping_) reload();
    if (signal == SIGTERM || signal == SIGINT) {
      if (stopping_) {
        log_->warning("stopping at once");
        kill_all();
      } else {
        log_->info("stopping: sessions and deliveries under way are let end");
        begin_stopping();
      }
    }
    wait_for_signal();
  });
}

void Master::reload() {
  auto fresh = config::load(config_path_);
  if (!fresh) {
    for (const config::Problem& problem : fresh.error()) log_->error(problem.describe());
    return log_->error("reload: the config has errors; the old one stays in force");
  }
  const config::Config before = std::exchange(config_, std::move(*fresh));
  config_.queue = before.queue;
  config_.control = before.control;
  config_.user = before.user;
  auto refused = [&](const Error& error) {
    config_ = before;
    log_->error("reload: " + describe(error) + "; the old config stays in force");
  };
  auto listeners = bind_listeners();
  if (!listeners) return refused(listeners.error());
  if (auto done = open_log(); !done) return refused(done.error());
  if (auto done = publish_config(); !done) return refused(done.error());
  keep_listeners(std::move(*listeners));
  retire(Role::smtpd);
  retire(Role::delivery);
  const auto old = positions_.size();
  add_positions();
  for (auto at = std::next(positions_.begin(), static_cast<std::ptrdiff_t>(old));
       at != positions_.end(); ++at) {
    start(**at);
  }
  if (Position* queue = qmgr(); queue != nullptr && queue->pid != 0) {
    UniqueFd log(::fcntl(log_file_ ? log_file_.get() : 2, F_DUPFD_CLOEXEC, 0));
    queue->channel->send(static_cast<std::uint8_t>(MasterFrame::configure),
                         config::effective(config_), {}, std::move(log));
  }
  log_->info("reloaded; queue, control and user settings take effect at the next start");
}

// The processes of a role that run now end when they are done; others take their place.
void Master::retire(Role role) {
  for (const auto& position : positions_) {
    if (position->role != role || !position->wanted) continue;
    position->wanted = false;
    position->timer.cancel();
    if (position->pid != 0)
      position->channel->send(static_cast<std::uint8_t>(MasterFrame::drain), {});
  }
  std::erase_if(positions_,
                [](const auto& position) { return !position->wanted && position->pid == 0; });
}

void Master::begin_stopping() {
  stopping_ = true;
  for (const auto& position : positions_) position->timer.cancel();
  deadline_.expires_after(stop_patience);
  deadline_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    log_->warning("some processes did not end in time and are killed");
    kill_all();
  });
  retire(Role::smtpd);
  stop_next();
}

// Called whenever a process ended while stopping: smtpd first, then qmgr with its deliveries.
void Master::stop_next() {
  const auto runs = [this](Role role) {
    return std::ranges::any_of(positions_,
                               [role](const auto& p) { return p->role == role && p->pid != 0; });
  };
  if (runs(Role::smtpd)) return;
  if (runs(Role::qmgr)) return retire(Role::qmgr);
  if (runs(Role::delivery)) return retire(Role::delivery);
  log_->info("stopped");
  ::unlink(config_.control.socket.c_str());
  loop_.stop();
}

void Master::kill_all() {
  for (const auto& position : positions_) {
    position->wanted = false;
    if (position->pid != 0) ::kill(position->pid, SIGKILL);
  }
}

}  // namespace brevdue::daemon
