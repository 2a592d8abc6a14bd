#include "tests/daemon/dispatcher_rig.h"

#include <stdexcept>
#include <utility>

#include "mail/dsn.h"
#include "tests/support/one_directory_spool.h"

namespace brevdue::tests {

FakeDelivery::FakeDelivery(boost::asio::io_context& loop, UniqueFd socket)
    : channel_(std::make_unique<ipc::Channel>(loop, std::move(socket))) {
  channel_->start(
      [this](std::uint8_t type, std::string_view payload, UniqueFd fd) {
        auto job = delivery::decode_job(payload, std::move(fd));
        if (type != static_cast<std::uint8_t>(delivery::DeliveryFrame::job) || !job) {
          throw std::runtime_error("no job");
        }
        jobs.push_back(std::move(*job));
      },
      [this](const Error&) { closed_ = true; });
}

void FakeDelivery::send(std::uint8_t type, std::string payload) {
  channel_->send(type, std::move(payload));
}

void FakeDelivery::answer(std::size_t job, delivery::Outcome outcome) {
  outcome.attempt = jobs.at(job).attempt;
  send(static_cast<std::uint8_t>(delivery::DeliveryFrame::outcome), encode(outcome));
}

void FakeDelivery::answer(std::size_t job, mail::RecipientStatus status, const std::string& reply) {
  answer(job, DispatcherRig::outcome_of(jobs.at(job), status, reply));
}

void FakeDelivery::send_draining() {
  send(static_cast<std::uint8_t>(delivery::DeliveryFrame::draining), {});
}

daemon::DispatcherOptions DispatcherRig::default_options() {
  daemon::DispatcherOptions options;
  options.hostname = "mx.example";
  options.scheduler.window.start = 20;
  options.retry.jitter = 0;
  return options;
}

DispatcherRig::DispatcherRig(daemon::DispatcherOptions options, std::size_t message_cache_bytes)
    : ids(1, clock.wall()) {
  queue::QueueOptions queue_options;
  queue_options.sides = spool_in(files, staged.path()).value();
  queue_options.message_cache_bytes = message_cache_bytes;
  queue_options.committer.lone_delay = std::chrono::microseconds(0);
  queue = std::make_unique<queue::Queue>(
      queue_options,
      [this]() -> Result<std::unique_ptr<queue::Store>> {
        return std::make_unique<TappedStore>(disk, tap);
      },
      files, clock, events, log.log(), *this);
  dispatcher = std::make_unique<daemon::Dispatcher>(loop, events, *queue,
                                                    mail::QueueIdSource(0, clock.wall()), clock,
                                                    log.log(), std::move(options));
  if (!queue->start() || !run_until_so([this] { return has_recovered; })) {
    throw std::runtime_error("the queue does not start");
  }
}

DispatcherRig::~DispatcherRig() {
  deliveries.clear();
  dispatcher.reset();
  queue.reset();
}

FakeDelivery& DispatcherRig::attach(std::uint16_t slot) {
  auto ends = daemon::make_socket_pair();
  if (!ends) throw std::runtime_error("socketpair");
  dispatcher->attach(slot, std::move(ends->first));
  deliveries.push_back(std::make_unique<FakeDelivery>(loop, std::move(ends->second)));
  return *deliveries.back();
}

mail::QueueId DispatcherRig::enqueue(const std::vector<std::string>& recipients,
                                     const std::string& reverse_path, std::uint8_t notify) {
  mail::Envelope envelope;
  envelope.reverse_path = reverse_path;
  for (const std::string& recipient : recipients) {
    envelope.recipients.push_back({recipient, {}, notify});
  }
  return enqueue(std::move(envelope));
}

mail::QueueId DispatcherRig::enqueue(mail::Envelope envelope) {
  const std::string content = "Received: from test\r\nSubject: test\r\n\r\nHello.\r\n";
  envelope.id = ids.next(clock.wall());
  if (envelope.arrival == WallTime{}) envelope.arrival = clock.wall();
  envelope.content = mail::facts_of(content);
  std::optional<Result<void>> answer;
  queue->enqueue({envelope.id, SharedBytes(mail::encode(envelope)), SharedBytes(content),
                  content.size(), static_cast<std::uint32_t>(envelope.recipients.size()), false},
                 [&](Result<void> result) { answer = std::move(result); });
  if (!run_until_so([&] { return answer.has_value(); }) || !*answer) {
    throw std::runtime_error("not enqueued");
  }
  return envelope.id;
}

delivery::Outcome DispatcherRig::outcome_of(const delivery::Job& job, mail::RecipientStatus status,
                                            const std::string& reply) {
  delivery::Outcome outcome;
  outcome.attempt = job.attempt;
  for (const std::uint32_t recipient : job.recipients) {
    outcome.recipients.push_back({recipient, status, "2.0.0", reply, "next.example", true, false});
  }
  return outcome;
}

void DispatcherRig::change(mail::QueueId id, Change change, daemon::Dispatcher::Done done) {
  queue->load(
      id, [this, change, done = std::move(done)](const Result<queue::MessagePtr>& message) mutable {
        if (!message) return done(std::unexpected(message.error()));
        (dispatcher.get()->*change)(*message, std::move(done));
      });
}

void DispatcherRig::hold(mail::QueueId id, daemon::Dispatcher::Done done) {
  change(id, &daemon::Dispatcher::hold, std::move(done));
}

void DispatcherRig::release(mail::QueueId id, daemon::Dispatcher::Done done) {
  change(id, &daemon::Dispatcher::release, std::move(done));
}

void DispatcherRig::bounce(mail::QueueId id, daemon::Dispatcher::Done done) {
  change(id, &daemon::Dispatcher::bounce, std::move(done));
}

Result<void> DispatcherRig::retry(mail::QueueId id) {
  std::optional<Result<void>> answer;
  queue->load(id, [&](const Result<queue::MessagePtr>& message) {
    answer = message ? dispatcher->retry(**message) : std::unexpected(message.error());
  });
  run_until_so([&] { return answer.has_value(); });
  return *answer;
}

bool DispatcherRig::on_disk(mail::QueueId id) {
  const std::lock_guard lock(disk.mutex);
  return disk.messages.contains(id);
}

mail::DeliveryState DispatcherRig::state_on_disk(mail::QueueId id) {
  const std::lock_guard lock(disk.mutex);
  return disk.messages.at(id).state;
}

std::vector<std::string> DispatcherRig::notices_on_disk() {
  const std::lock_guard lock(disk.mutex);
  std::vector<std::string> notices;
  for (const auto& [id, message] : disk.messages) {
    const auto envelope = mail::decode_envelope(message.envelope.view());
    if (envelope && envelope->reverse_path.empty()) notices.emplace_back(message.content.view());
  }
  return notices;
}

void DispatcherRig::pass(std::chrono::nanoseconds time) {
  clock.move_to(clock.elapsed() + time);
  dispatcher->set_available(true);
  run_all();
}

bool DispatcherRig::pass_until_so(std::function<bool()> is_so) {
  return run_until_so([&] {
    if (is_so()) return true;
    pass(std::chrono::minutes(1));
    return is_so();
  });
}

}  // namespace brevdue::tests
