// The master: binds the listeners, starts the roles, restarts what dies, brings the roles together
// with channels, reloads on SIGHUP and stops in order on SIGTERM. It reads nothing from the
// network.
//
// A role that dies is started again at once, then after 100 ms, doubling to 10 s; that is forgotten
// once it has lived for 10 s. A role that cannot start at all (it exits with a code of sysexits.h
// before it was ever ready) ends the master with the same code.
//
// Stopping: smtpd takes no more sessions and lets transactions end; then qmgr hands out no more
// jobs and lets deliveries end; whoever is not done after 30 s is killed. Nothing that was
// acknowledged depends on it.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include "config/config.h"
#include "core/clock.h"
#include "core/log.h"
#include "daemon/child_process.h"
#include "daemon/listeners.h"
#include "daemon/master_frames.h"
#include "daemon/users.h"
#include "ipc/channel.h"

namespace brevdue::daemon {

class Master {
 public:
  Master(std::string config_path, config::Config config);
  ~Master();

  // Returns an exit code of sysexits.h.
  int run();

 private:
  // A place for a process: what runs there now, and how often it died lately.
  struct Position {
    explicit Position(boost::asio::io_context& loop) : timer(loop) {}
    Role role = Role::qmgr;
    std::uint16_t slot = 0;
    pid_t pid = 0;  // 0: nothing runs
    std::unique_ptr<ipc::Channel> channel;
    boost::asio::steady_timer timer;
    SteadyTime started{};
    std::chrono::milliseconds backoff{0};
    bool ready = false;
    bool wanted = true;  // false: once it ends it is not started again
  };
  using Positions = std::list<std::shared_ptr<Position>>;

  Result<void> prepare();
  // Those of the config that are not bound yet.
  Result<std::vector<BoundListener>> bind_listeners() const;
  void keep_listeners(std::vector<BoundListener> added);
  Result<void> prepare_spool(const Account& account);
  Result<void> open_log();
  Result<void> publish_config();
  void add_positions();
  Position& add_position(Role role);
  std::uint16_t free_slot(Role role);

  void start(Position& position);
  void connect(Position& peer);
  void on_frame(Position& position, std::uint8_t type);
  void reap();
  void ended(Position& position, int status);
  void start_later(Position& position);
  std::shared_ptr<Position> shared(const Position& position) const;
  Position* qmgr();

  void wait_for_signal();
  void reload();
  void retire(Role role);
  void stop_next();
  void begin_stopping();
  void kill_all();

  std::string config_path_;
  config::Config config_;
  SystemClock clock_;
  boost::asio::io_context loop_{1};
  boost::asio::signal_set signals_;
  boost::asio::steady_timer deadline_;
  std::unique_ptr<Log> log_;
  UniqueFd log_file_;
  UniqueFd config_file_;
  std::vector<BoundListener> listeners_;
  UniqueFd control_;
  Positions positions_;
  std::uint16_t last_slot_ = 0;
  bool ever_ready_ = false;
  bool stopping_ = false;
  int exit_code_ = 0;
};

}  // namespace brevdue::daemon
