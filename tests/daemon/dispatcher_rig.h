// A Dispatcher on a Queue on a MemoryStore, with delivery processes that are played by the test at
// the other ends of their channels. The clock stands still until it is moved.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "daemon/asio_event_loop.h"
#include "daemon/child_process.h"
#include "daemon/dispatcher.h"
#include "delivery/job.h"
#include "delivery/outcome.h"
#include "queue/queue.h"
#include "tests/daemon/loop_runner.h"
#include "tests/daemon/memory_log.h"
#include "tests/daemon/tapped_store.h"
#include "tests/queue/fake_loop.h"
#include "tests/support/temporary_directory.h"

namespace brevdue::tests {

// A delivery process: gets jobs, answers when the test says so.
class FakeDelivery {
 public:
  FakeDelivery(boost::asio::io_context& loop, UniqueFd socket);

  void answer(std::size_t job, delivery::Outcome outcome);
  // The same result for every recipient of the job.
  void answer(std::size_t job, mail::RecipientStatus status, const std::string& reply = "250 ok");
  void send_draining();
  void send(std::uint8_t type, std::string payload);
  void die() { channel_.reset(); }
  bool is_closed() const { return closed_; }

  std::vector<delivery::Job> jobs;

 private:
  std::unique_ptr<ipc::Channel> channel_;
  bool closed_ = false;
};

class DispatcherRig : public queue::QueueObserver {
 public:
  explicit DispatcherRig(daemon::DispatcherOptions options = default_options(),
                         std::size_t message_cache_bytes = 64u << 20);
  ~DispatcherRig() override;

  static daemon::DispatcherOptions default_options();

  FakeDelivery& attach(std::uint16_t slot = 1);
  // Durable and scheduled when it returns.
  mail::QueueId enqueue(const std::vector<std::string>& recipients,
                        const std::string& reverse_path = "sender@a.example",
                        std::uint8_t notify = mail::DsnNotify::unset);
  mail::QueueId enqueue(mail::Envelope envelope);
  static delivery::Outcome outcome_of(const delivery::Job& job, mail::RecipientStatus status,
                                      const std::string& reply);

  // As the operator's commands do it: once the message is loaded.
  void hold(mail::QueueId id, daemon::Dispatcher::Done done);
  void release(mail::QueueId id, daemon::Dispatcher::Done done);
  void bounce(mail::QueueId id, daemon::Dispatcher::Done done);
  Result<void> retry(mail::QueueId id);

  bool run_until_so(std::function<bool()> is_so) { return run_until(loop, std::move(is_so)); }
  void run_all() { tests::run_all(loop); }
  bool is_queued(mail::QueueId id) const { return queue->contains(id); }
  bool on_disk(mail::QueueId id);
  mail::DeliveryState state_on_disk(mail::QueueId id);
  // Content of what lies on the disk and has the null reverse-path: DSNs.
  std::vector<std::string> notices_on_disk();
  // Moves the clock and looks for what is due.
  void pass(std::chrono::nanoseconds time);
  // Minute after minute, since what a thread of the queue has found may not have arrived yet.
  bool pass_until_so(std::function<bool()> is_so);

  void queued(const queue::QueuedMessage& message) override { dispatcher->queued(message); }
  void unavailable() override { dispatcher->set_available(false); }
  void available() override { dispatcher->set_available(true); }
  void recovered(std::size_t) override { has_recovered = true; }

 private:
  using Change = void (daemon::Dispatcher::*)(const queue::MessagePtr&, daemon::Dispatcher::Done);
  void change(mail::QueueId id, Change change, daemon::Dispatcher::Done done);

 public:
  FakeClock clock;
  MemoryLog log{clock};
  boost::asio::io_context loop{1};
  daemon::AsioEventLoop events{loop};
  TemporaryDirectory staged;
  RealFileSystem files;
  queue::MemoryDisk disk;
  StoreTap tap;
  mail::QueueIdSource ids;
  bool has_recovered = false;
  std::unique_ptr<queue::Queue> queue;
  std::unique_ptr<daemon::Dispatcher> dispatcher;
  std::vector<std::unique_ptr<FakeDelivery>> deliveries;
};

// For tests that must hold whether messages are in memory or have to be loaded: the parameter is
// the size of the message cache.
class OnDiskAndInMemory : public testing::TestWithParam<std::size_t> {
 public:
  static auto both() { return testing::Values(std::size_t{0}, std::size_t{64} << 20); }
  static std::string name(const testing::TestParamInfo<std::size_t>& info) {
    return info.param == 0 ? "OnDisk" : "InMemory";
  }
};

}  // namespace brevdue::tests
