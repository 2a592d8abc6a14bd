// delivery: relays what qmgr hands it. It reads no file once it runs, and sees only the messages it
// was given.
#include <chrono>
#include <memory>

#include <boost/asio/steady_timer.hpp>

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
        relay_(make_relay()) {
    process.on_attach([this](const Attach&, UniqueFd socket) { attach(std::move(socket)); });
    process.on_drain([this] {
      draining_ = true;
      if (!channel_) return finish();
      channel_->send(static_cast<std::uint8_t>(delivery::DeliveryFrame::draining), {});
    });
    process.ready();
  }

 private:
  std::unique_ptr<delivery::Relay> make_relay() {
    return std::make_unique<delivery::Relay>(process_.loop(), relay_options(process_.config()),
                                             lookup_, process_.clock(), process_.log());
  }

  // The jobs of a qmgr that is gone are nobody's any more. What of them has not reached its final
  // dot is dropped: the next qmgr hands it out again, and it would be relayed twice.
  void abandon_jobs() {
    channel_.reset();
    ++round_;
    if (relay_->jobs() > 0) relay_ = make_relay();
  }

  void attach(UniqueFd socket) {
    abandon_jobs();
    channel_ = std::make_unique<ipc::Channel>(process_.loop(), std::move(socket));
    channel_->start([this](std::uint8_t type, std::string_view payload,
                           UniqueFd fd) { on_frame(type, payload, std::move(fd)); },
                    [this](const Error&) {
                      abandon_jobs();
                      lost();
                    });
    if (draining_) {
      channel_->send(static_cast<std::uint8_t>(delivery::DeliveryFrame::draining), {});
    }
  }

  void lost() {
    if (draining_) return finish();
    process_.detached();
  }

  void on_frame(std::uint8_t type, std::string_view payload, UniqueFd fd) {
    auto job = delivery::decode_job(payload, std::move(fd));
    if (type != static_cast<std::uint8_t>(delivery::DeliveryFrame::job) || !job) {
      process_.log().error("qmgr sent a malformed job");
      abandon_jobs();
      return lost();
    }
    relay_->submit(std::move(*job), [this, round = round_](delivery::Outcome outcome) {
      if (channel_ && round == round_) {
        channel_->send(static_cast<std::uint8_t>(delivery::DeliveryFrame::outcome),
                       encode(outcome));
      }
    });
  }

  // Says QUIT to whoever is still connected, and gives that a moment.
  void finish(int rounds = 20) {
    relay_->close_idle();
    if (relay_->connections() == 0 || rounds == 0) return process_.stop();
    timer_.expires_after(std::chrono::milliseconds(50));
    timer_.async_wait([this, rounds](boost::system::error_code error) {
      if (!error) finish(rounds - 1);
    });
  }

  RoleProcess& process_;
  boost::asio::steady_timer timer_{process_.loop()};
  DnsLookup lookup_;
  std::unique_ptr<delivery::Relay> relay_;
  std::unique_ptr<ipc::Channel> channel_;
  std::uint64_t round_ = 0;
  bool draining_ = false;
};
}  // namespace

int run_delivery(const std::string& instance) {
  RoleProcess process(Role::delivery, instance);
  Delivery delivery(process);
  return process.run();
}

}  // namespace brevdue::daemon
