// qmgr: owns the spool and the schedule. Opens no network socket.
#include <cstdio>

#include <fmt/format.h>
#include <sysexits.h>

#include "config/load.h"
#include "core/file_system.h"
#include "daemon/asio_event_loop.h"
#include "daemon/control_server.h"
#include "daemon/dispatcher.h"
#include "daemon/module_options.h"
#include "daemon/role.h"
#include "daemon/spool.h"
#include "daemon/submission_server.h"
#include "queue/id_floor.h"
#include "queue/queue.h"

namespace brevdue::daemon {

namespace {
constexpr std::uint16_t own_slot = 0;  // of the DSNs that qmgr makes itself

class Qmgr final : public queue::QueueObserver {
 public:
  Qmgr(RoleProcess& process, const Spool& spool, queue::IdFloor floor)
      : process_(process),
        events_(process.loop()),
        queue_(queue_options(process.config(), spool.sides), spool.factory, files_, process.clock(),
               events_, process.log(), *this),
        dispatcher_(process.loop(), events_, queue_, mail::QueueIdSource(own_slot, floor.floor()),
                    process.clock(), process.log(), dispatcher_options(process.config())),
        submissions_(process.loop(), events_, queue_, std::move(floor), process.clock(),
                     process.log(), submission_options(process.config())),
        control_(process.loop(), events_, UniqueFd(first_listener_descriptor), queue_, dispatcher_,
                 process.log(), spool) {}

  Result<void> start() {
    process_.on_attach([this](const Attach& attach, UniqueFd fd) {
      if (attach.peer == Role::smtpd) submissions_.attach(attach.slot, std::move(fd));
      if (attach.peer == Role::delivery) dispatcher_.attach(attach.slot, std::move(fd));
    });
    process_.on_configure([this](const std::string& text) { configure(text); });
    process_.on_drain([this] { dispatcher_.drain([this] { stop_when_idle(); }); });
    queue_.staging().keep_free(process_.config().queue.reserve);
    if (auto started = queue_.start(); !started) return started;
    announce();
    process_.ready();
    return {};
  }

  void queued(const queue::QueuedMessage& message) override { dispatcher_.queued(message); }
  void unavailable() override {
    dispatcher_.set_available(false);
    submissions_.announce_state();
  }
  void available() override {
    dispatcher_.set_available(true);
    submissions_.announce_state();
  }
  void recovered(std::size_t count) override {
    process_.log().info(fmt::format("recovery has ended: {} messages in the queue", count));
  }

 private:
  void configure(const std::string& text) {
    auto config = config::parse(text, "the reloaded config");
    if (!config) return process_.log().error(config.error().front().describe());
    dispatcher_.configure(dispatcher_options(*config));
    submissions_.configure(submission_options(*config));
  }

  // How much room there is changes without us, too: smtpd is told once a second.
  void announce() {
    submissions_.announce_state();
    events_.run_after(std::chrono::seconds(1), [this] { announce(); });
  }

  void stop_when_idle() {
    if (queue_.idle()) return process_.stop();
    events_.run_after(std::chrono::milliseconds(10), [this] { stop_when_idle(); });
  }

  RoleProcess& process_;
  RealFileSystem files_;
  AsioEventLoop events_;
  queue::Queue queue_;
  Dispatcher dispatcher_;
  SubmissionServer submissions_;
  ControlServer control_;
};
}  // namespace

int run_qmgr(const std::string& instance) {
  RoleProcess process(Role::qmgr, instance);
  RealFileSystem files;
  const auto refuse = [&](const Error& error) {
    process.log().error("qmgr cannot start: " + describe(error));
    if (process.config().log.target != "stderr") {
      std::fprintf(stderr, "brevdue: %s\n", describe(error).c_str());
    }
    switch (error.code) {
      case ErrorCode::busy:
        return EX_TEMPFAIL;
      case ErrorCode::unsupported:
      case ErrorCode::permission:
        return EX_CONFIG;
      default:
        return EX_IOERR;
    }
  };
  auto spool = Spool::open(files, process.config(), process.log());
  if (!spool) return refuse(spool.error());
  auto floor = queue::IdFloor::open(files, spool->sides, process.clock().wall());
  if (!floor) return refuse(floor.error());
  Qmgr qmgr(process, *spool, std::move(*floor));
  if (auto started = qmgr.start(); !started) return refuse(started.error());
  return process.run();
}

}  // namespace brevdue::daemon
