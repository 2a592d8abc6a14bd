// A SubmissionServer on a Queue on a MemoryStore, and smtpd's end of its channel: the real one, or
// a bare channel that says what the test wants.
#pragma once

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "daemon/asio_event_loop.h"
#include "daemon/child_process.h"
#include "daemon/queue_link.h"
#include "daemon/submission_server.h"
#include "mail/dsn.h"
#include "tests/daemon/loop_runner.h"
#include "tests/daemon/memory_log.h"
#include "tests/daemon/tapped_store.h"
#include "tests/queue/fake_loop.h"
#include "tests/support/one_directory_spool.h"
#include "tests/support/temporary_directory.h"

namespace brevdue::tests {

class SubmissionRig final : public queue::QueueObserver {
 public:
  static constexpr std::uint16_t slot = 7;
  using Answer = std::optional<Result<void>>;

  SubmissionRig() {
    queue::QueueOptions options;
    options.sides = spool_in(files, staged.path()).value();
    options.committer.lone_delay = std::chrono::microseconds(0);
    queue = std::make_unique<queue::Queue>(
        options,
        [this]() -> Result<std::unique_ptr<queue::Store>> {
          return std::make_unique<TappedStore>(disk, tap);
        },
        files, clock, events, log.log(), *this);
    if (!queue->start()) throw std::runtime_error("queue");
    serve();
  }
  ~SubmissionRig() override {
    link.close();
    server.reset();
    queue.reset();
  }

  // A new server, as after a restart of qmgr, but on the same queue.
  void serve() {
    server.reset();
    auto floor = queue::IdFloor::open(files, spool_in(files, spool.path()).value(), clock.wall());
    if (!floor) throw std::runtime_error("id floor");
    server = std::make_unique<daemon::SubmissionServer>(
        loop, events, *queue, std::move(*floor), clock, log.log(),
        daemon::SubmissionOptions{.content_budget = 16u << 20, .content_size_max = 1u << 20});
  }

  UniqueFd connect(std::uint16_t to = slot) {
    auto ends = daemon::make_socket_pair();
    if (!ends) throw std::runtime_error("socketpair");
    server->attach(to, std::move(ends->first));
    return std::move(ends->second);
  }
  // The link is ready when it returns.
  void attach() {
    link.attach(connect());
    if (!until([this] { return link.availability(0).has_value(); })) {
      throw std::runtime_error("link");
    }
  }

  bool until(std::function<bool()> is_so) { return run_until(loop, std::move(is_so)); }

  static mail::Envelope envelope(mail::QueueId id, const std::string& content, bool is_staged) {
    mail::Envelope made;
    made.id = id;
    made.reverse_path = "sender@a.example";
    made.recipients.push_back({"1@b.example", {}, mail::DsnNotify::unset});
    made.content = mail::facts_of(content);
    made.content.staged = is_staged;
    return made;
  }

  Result<void> submit(const std::string& content) {
    Answer answer;
    link.submit(envelope(link.next_id(), content, false), SharedBytes(content),
                [&](Result<void> result) { answer = std::move(result); });
    if (!until([&] { return answer.has_value(); })) throw std::runtime_error("no answer");
    return *answer;
  }

  void queued(const queue::QueuedMessage&) override {}
  void unavailable() override { server->announce_state(); }
  void available() override { server->announce_state(); }
  void recovered(std::size_t) override {}

  FakeClock clock;
  MemoryLog log{clock};
  boost::asio::io_context loop{1};
  daemon::AsioEventLoop events{loop};
  TemporaryDirectory spool;
  TemporaryDirectory staged;
  RealFileSystem files;
  queue::MemoryDisk disk;
  StoreTap tap;
  std::unique_ptr<queue::Queue> queue;
  std::unique_ptr<daemon::SubmissionServer> server;
  daemon::QueueLink link{loop, clock, log.log()};
};

}  // namespace brevdue::tests
