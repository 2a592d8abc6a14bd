// What every role does first, in the process that the master started: read the config it was
// handed, drop to its own user, connect to the master. Everything after that runs without
// privileges and opens no file of the machine, save qmgr its spool.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "config/config.h"
#include "core/clock.h"
#include "core/log.h"
#include "daemon/child_process.h"
#include "daemon/master_frames.h"
#include "ipc/channel.h"

namespace brevdue::daemon {

// Everything a role needs of its process. Constructing it throws std::runtime_error when the role
// cannot start.
class RoleProcess {
 public:
  RoleProcess(Role role, std::string instance);
  ~RoleProcess();
  RoleProcess(const RoleProcess&) = delete;
  RoleProcess& operator=(const RoleProcess&) = delete;

  const config::Config& config() const { return config_; }
  boost::asio::io_context& loop() { return loop_; }
  const Clock& clock() const { return clock_; }
  const Log& log() const { return *log_; }
  std::uint16_t slot() const { return slot_; }
  std::size_t listener_count() const { return listener_count_; }

  using OnAttach = std::function<void(const Attach&, UniqueFd)>;
  using OnConfigure = std::function<void(const std::string& text)>;
  void on_attach(OnAttach handler) { on_attach_ = std::move(handler); }
  void on_drain(std::function<void()> handler) { on_drain_ = std::move(handler); }
  void on_configure(OnConfigure handler) { on_configure_ = std::move(handler); }

  // Runs until stop() is called or the master is gone; the exit code.
  int run();
  void ready();
  void stop() { loop_.stop(); }
  // The channel to qmgr has closed: the master is asked for another until it sends one.
  void detached();

 private:
  void on_frame(std::uint8_t type, std::string_view payload, UniqueFd fd);

  SystemClock clock_;
  config::Config config_;
  std::unique_ptr<Log> log_;
  boost::asio::io_context loop_{1};  // before what may still be suspended in it is gone
  std::unique_ptr<ipc::Channel> master_;
  boost::asio::steady_timer reattach_{loop_};
  std::uint16_t slot_ = 0;
  std::size_t listener_count_ = 0;
  OnAttach on_attach_;
  std::function<void()> on_drain_;
  OnConfigure on_configure_;
};

// The roles. `instance` is what the master gave: "SLOT LISTENERS".
int run_smtpd(const std::string& instance);
int run_qmgr(const std::string& instance);
int run_delivery(const std::string& instance);

}  // namespace brevdue::daemon
