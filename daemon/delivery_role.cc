// delivery: relays what qmgr hands it. It reads no file once it runs, and sees only the messages it
// was given.
#include <fmt/format.h>

#include "daemon/dns_lookup.h"
#include "daemon/module_options.h"
#include "daemon/role.h"
#include "delivery/job.h"
#include "delivery/outcome.h"
#include "delivery/relay.h"

namespace brevdue::daemon {

namespace {
class Delivery {
 public:
  explicit Delivery(RoleProcess& process)
      : process_(process),
        lookup_(process.loop().get_executor(), resolver_options(process.config()), process.clock()),
        relay_(std::make_unique<delivery::Relay>(process.loop(), relay_options(process.config()),
                                                 lookup_, process.clock(), process.log())) {
    process.on_attach([this](const Attach&, UniqueFd socket) { attach(std::move(socket)); });
    process.on_drain([this] {
      draining_ = true;
      stop_when_done();
    });
    process.ready();
  }

 private:
  void attach(UniqueFd socket) {
    // Jobs of the channel before this one are nobody's any more; they end, and their outcomes with
    // it.
    ++round_;
    channel_ = std::make_unique<ipc::Channel>(process_.loop(), std::move(socket));
    channel_->start([this](std::uint8_t type, std::string_view payload,
                           UniqueFd fd) { on_frame(type, payload, std::move(fd)); },
                    [this](const Error&) { channel_.reset(); });
  }

  void on_frame(std::uint8_t type, std::string_view payload, UniqueFd fd) {
    auto job = delivery::decode_job(payload, std::move(fd));
    if (type != static_cast<std::uint8_t>(delivery::DeliveryFrame::job) || !job) {
      process_.log().error("qmgr sent a malformed job");
      channel_.reset();
      return;
    }
    ++running_;
    relay_->submit(std::move(*job), [this, round = round_](delivery::Outcome outcome) {
      --running_;
      if (channel_ && round == round_) {
        channel_->send(static_cast<std::uint8_t>(delivery::DeliveryFrame::outcome),
                       encode(outcome));
      }
      if (draining_) stop_when_done();
    });
  }

  // The last outcome must have left before the process does.
  void stop_when_done() {
    if (running_ > 0) return;
    relay_->close_idle();
    if (!channel_) return process_.stop();
    channel_->when_drained([this] { process_.stop(); });
  }

  RoleProcess& process_;
  DnsLookup lookup_;
  std::unique_ptr<delivery::Relay> relay_;
  std::unique_ptr<ipc::Channel> channel_;
  std::uint64_t round_ = 0;
  std::size_t running_ = 0;
  bool draining_ = false;
};
}  // namespace

int run_delivery(const std::string& instance) {
  RoleProcess process(Role::delivery, instance);
  Delivery delivery(process);
  return process.run();
}

}  // namespace brevdue::daemon
