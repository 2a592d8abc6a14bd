#include "daemon/dispatcher.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace brevdue::daemon {

using mail::RecipientStatus;

namespace {
constexpr std::string_view relay_prefix = "relay:";
constexpr std::chrono::seconds given_back_for{30};

bool is_final(RecipientStatus status) {
  return status == RecipientStatus::relayed || status == RecipientStatus::failed;
}
}  // namespace

Dispatcher::Dispatcher(boost::asio::io_context& loop, queue::EventLoop& events, queue::Queue& queue,
                       mail::QueueIdSource ids, const Clock& clock, const Log& log,
                       DispatcherOptions options)
    : loop_(loop),
      events_(events),
      queue_(queue),
      clock_(clock),
      log_(log),
      options_(std::move(options)),
      notices_(ids, options_.hostname, clock),
      random_(std::random_device()()),
      scheduler_(options_.scheduler, random_),
      retry_(options_.retry) {}

Dispatcher::~Dispatcher() {
  events_.cancel(timer_);
}

void Dispatcher::configure(const DispatcherOptions& options) {
  options_.relay_host = options.relay_host;
  retry_ = scheduler::RetrySchedule(options.retry);
}

std::string Dispatcher::destination_of(const mail::Recipient& recipient) const {
  if (!options_.relay_host.empty()) return std::string(relay_prefix) + options_.relay_host;
  const std::string domain = mail::domain_of(recipient.address);
  // "postmaster" without a domain (RFC 5321 4.5.1) is ours.
  return domain.empty() ? options_.hostname : domain;
}

void Dispatcher::queued(const queue::QueuedMessage& message) {
  auto envelope = mail::decode_envelope(message.envelope.view());
  BREVDUE_ASSERT(envelope.has_value());  // The queue has decoded it before.
  const WallTime wall = clock_.wall();
  const SteadyTime now = clock_.steady();
  SteadyTime due = now;
  if (message.state.attempts > 0 || message.state.next_attempt > wall) {
    due = scheduler::steady_at(retry_.clamp_after_restart(message.state.next_attempt, wall), wall,
                               now);
  }
  if (message.state.sequence == 0) {
    log_.info(fmt::format("{}: from=<{}>, size={}, nrcpt={} (queue active)", message.id.text(),
                          envelope->reverse_path, message.size, message.recipient_count));
  }
  schedule(message, *envelope, due);
}

void Dispatcher::schedule(const queue::QueuedMessage& message, const mail::Envelope& envelope,
                          SteadyTime due) {
  std::map<std::string, std::uint32_t> counts;
  for (const mail::Recipient& recipient : envelope.recipients) ++counts[destination_of(recipient)];
  for (const auto& [destination, count] : counts) {
    scheduler::Addition addition;
    addition.message = message.id;
    addition.destination = destination;
    addition.count = count;
    addition.due = due;
    addition.reverse_path = envelope.reverse_path;
    addition.attempts = message.state.attempts;
    addition.suspect = message.state.suspect;
    addition.held = message.state.held;
    auto added = scheduler_.add(addition);
    if (!added) log_.error(message.id.text() + ": not scheduled: " + describe(added.error()));
  }
  pump_soon();
}

void Dispatcher::set_available(bool available) {
  available_ = available;
  pump_soon();
  end_if_drained();
}

void Dispatcher::drain(std::function<void()> drained) {
  drained_ = std::move(drained);
  draining_ = true;
  for (auto& [slot, link] : links_) {
    if (!link.alone) continue;
    report(std::exchange(link.alone, std::nullopt)->job, scheduler::Outcome::untried,
           clock_.wall());
    link.exclusive = false;
  }
  end_if_drained();
}

void Dispatcher::end_if_drained() {
  // Without room a DSN may wait for hours, and its message with it: both are there at the next
  // start.
  const bool is_written = writing_ == 0 || !available_ || queue_.room() == 0;
  if (!drained_ || !flights_.empty() || loading_ > 0 || !is_written) return;
  events_.post(std::exchange(drained_, nullptr));
}

Dispatcher::Done Dispatcher::counted(Done done) {
  ++writing_;
  return [this, done = std::move(done)](const Result<void>& result) mutable {
    --writing_;
    done(result);
    end_if_drained();
  };
}

// Once a turn of the loop: what was queued and what ended in it is seen together.
void Dispatcher::pump_soon() {
  if (pumping_) return;
  pumping_ = true;
  events_.post([this] {
    pumping_ = false;
    pump();
  });
}

std::size_t Dispatcher::room() const {
  std::size_t room = 0;
  for (const auto& [slot, link] : links_) {
    if (!link.exclusive && !link.draining) room += options_.jobs_per_delivery_max - link.in_flight;
  }
  return room - std::min(room, loading_);
}

void Dispatcher::pump() {
  if (!available_ || draining_) return;
  const std::size_t free = room();
  if (free == 0) return;
  for (const scheduler::Job& job : scheduler_.take(free, clock_.steady())) load(job);
  arm();
}

void Dispatcher::arm() {
  events_.cancel(std::exchange(timer_, 0));
  const auto due = scheduler_.next_due();
  if (!due) return;
  const auto delay =
      std::max<std::chrono::nanoseconds>(*due - clock_.steady(), std::chrono::milliseconds(10));
  timer_ = events_.run_after(delay, [this] {
    timer_ = 0;
    pump();
  });
}

// Whether a recipient is one of those that were scheduled under `destination`, whatever the relay
// host has become meanwhile.
bool Dispatcher::goes_to(const mail::Recipient& recipient, std::string_view destination) const {
  if (destination.starts_with(relay_prefix)) return true;
  const std::string domain = mail::domain_of(recipient.address);
  return (domain.empty() ? options_.hostname : domain) == destination;
}

// Positions of the job are counted among the message's recipients for its destination.
Dispatcher::Recipients Dispatcher::recipients_of(const scheduler::Job& job,
                                                 const mail::Envelope& envelope,
                                                 const mail::DeliveryState& state) const {
  const std::string_view destination = scheduler_.name_of(job.destination);
  Recipients recipients;
  std::uint32_t position = 0;
  for (std::uint32_t i = 0; i < envelope.recipients.size(); ++i) {
    if (!goes_to(envelope.recipients[i], destination)) continue;
    const bool ours = position >= job.first && position < job.first + std::uint32_t{job.count};
    if (ours && !is_final(state.status_of(i))) recipients.push_back(i);
    ++position;
  }
  return recipients;
}

bool Dispatcher::in_hand(mail::QueueId id) const {
  return active_.contains(id) || std::ranges::any_of(links_, [id](const auto& link) {
           return link.second.alone && link.second.alone->job.message == id;
         });
}

// The relay host is another since the message was scheduled: it is scheduled anew, whole, once no
// attempt of it is under way.
void Dispatcher::reroute(const Attempt& attempt, const mail::Envelope& envelope) {
  const scheduler::Job& job = attempt.job;
  if (in_hand(job.message)) {
    report(job, scheduler::Outcome::untried, clock_.wall() + given_back_for);
    return;
  }
  report(job, scheduler::Outcome::untried, std::nullopt);
  scheduler_.remove(job.message);
  schedule(*attempt.message, envelope, clock_.steady());
  pump_soon();
}

std::optional<Dispatcher::Recipients> Dispatcher::wanted_of(const Attempt& attempt) {
  const scheduler::Job& job = attempt.job;
  if (!queue_.stays(job.message)) {
    report(job, scheduler::Outcome::untried, std::nullopt);
    return std::nullopt;
  }
  auto envelope = mail::decode_envelope(attempt.message->envelope.view());
  BREVDUE_ASSERT(envelope.has_value());
  Recipients recipients = recipients_of(job, *envelope, attempt.message->state);
  if (recipients.empty()) {
    report(job, scheduler::Outcome::untried, std::nullopt);
    return std::nullopt;
  }
  if (destination_of(envelope->recipients[recipients.front()]) !=
      scheduler_.name_of(job.destination)) {
    reroute(attempt, *envelope);
    return std::nullopt;
  }
  return recipients;
}

void Dispatcher::load(const scheduler::Job& job) {
  ++loading_;
  queue_.load(job.message, [this, job](Result<queue::MessagePtr> message) {
    --loading_;
    if (message) {
      begin({job, std::move(*message)});
    } else {
      not_loaded(job, message.error());
    }
    end_if_drained();
  });
}

void Dispatcher::not_loaded(const scheduler::Job& job, const Error& error) {
  if (error.code == ErrorCode::not_found && !queue_.contains(job.message)) {
    report(job, scheduler::Outcome::untried, std::nullopt);
    return;
  }
  if (error.code == ErrorCode::corrupt || error.code == ErrorCode::not_found) {
    log_.error(fmt::format("{}: held until the next start: it cannot be read from the queue: {}",
                           job.message.text(), describe(error)));
    scheduler_.hold(job.message);
  }
  report(job, scheduler::Outcome::untried, clock_.wall() + given_back_for);
}

void Dispatcher::begin(Attempt attempt) {
  if (draining_ || !available_) {
    report(attempt.job, scheduler::Outcome::untried, clock_.wall());
    return;
  }
  auto recipients = wanted_of(attempt);
  if (!recipients) return;
  if (attempt.job.suspended) return suspend(std::move(attempt), std::move(*recipients));
  const auto link = choose();
  if (link == links_.end()) {
    // Every delivery process is gone since room was counted: as if nothing had been begun.
    report(attempt.job, scheduler::Outcome::untried, clock_.wall());
    return;
  }
  link->second.exclusive = attempt.job.exclusive;
  if (attempt.job.exclusive && link->second.in_flight > 0) {
    link->second.alone = std::move(attempt);
    return;
  }
  start(link->first, std::move(attempt), std::move(*recipients));
}

// What waited for its process to have nothing else to do.
void Dispatcher::begin_alone(std::uint16_t slot) {
  const auto link = links_.find(slot);
  if (link == links_.end() || !link->second.alone || link->second.in_flight > 0) return;
  Attempt attempt = *std::exchange(link->second.alone, std::nullopt);
  auto recipients = wanted_of(attempt);
  if (recipients) return start(slot, std::move(attempt), std::move(*recipients));
  link->second.exclusive = false;
  pump_soon();
  let_go_if_drained(slot);
}

void Dispatcher::start(std::uint16_t slot, Attempt attempt, Recipients recipients) {
  const mail::QueueId message = attempt.job.message;
  ++links_.at(slot).in_flight;
  ++active_[message];
  const std::uint64_t number = ++last_attempt_;
  flights_.emplace(number, Flight{std::move(attempt), slot, std::move(recipients)});
  queue_.read(message, [this, number](Result<queue::Content> content) {
    hand_over(number, std::move(content));
  });
}

// The least busy one; a suspect message then waits until it has nothing else to do.
std::map<std::uint16_t, Dispatcher::Link>::iterator Dispatcher::choose() {
  auto best = links_.end();
  for (auto at = links_.begin(); at != links_.end(); ++at) {
    const Link& link = at->second;
    if (link.exclusive || link.draining) continue;
    if (link.in_flight >= options_.jobs_per_delivery_max) continue;
    if (best == links_.end() || at->second.in_flight < best->second.in_flight) best = at;
  }
  return best;
}

void Dispatcher::hand_over(std::uint64_t attempt, Result<queue::Content> content) {
  const auto at = flights_.find(attempt);
  if (at == flights_.end()) return;
  Flight& flight = at->second;
  const scheduler::Job& job = flight.attempt.job;
  if (!content && content.error().code == ErrorCode::unavailable) {
    // The store failed since the job was taken: nothing was attempted, and nothing is counted.
    report(take_down(attempt).attempt.job, scheduler::Outcome::untried,
           clock_.wall() + given_back_for);
    return end_if_drained();
  }
  const bool queued = queue_.contains(job.message);
  if (!content || !queued) {
    delivery::Outcome outcome;
    outcome.attempt = attempt;
    const bool damaged = !content && (content.error().code == ErrorCode::corrupt ||
                                      content.error().code == ErrorCode::not_found);
    outcome.content_corrupt = damaged && queued;
    for (const std::uint32_t recipient : flight.recipients) {
      outcome.recipients.push_back({recipient,
                                    RecipientStatus::deferred,
                                    "4.3.0",
                                    "content cannot be read from the queue",
                                    {},
                                    false,
                                    false});
    }
    if (!content) log_.error(job.message.text() + ": " + describe(content.error()));
    return land(std::move(outcome));
  }
  const auto link = links_.find(flight.slot);
  if (link == links_.end()) return;  // Its crash has been or is being dealt with.
  flight.handed_over = true;
  std::string head =
      delivery::encode_job_head(attempt, scheduler_.name_of(job.destination), clock_.wall(),
                                flight.recipients, flight.attempt.message->envelope.view());
  link->second.channel->send(static_cast<std::uint8_t>(delivery::DeliveryFrame::job),
                             std::move(head), std::move(content->bytes), std::move(content->file));
}

void Dispatcher::attach(std::uint16_t slot, UniqueFd socket) {
  on_closed(slot);
  Link& link = links_[slot];
  link.channel = std::make_unique<ipc::Channel>(loop_, std::move(socket));
  link.channel->start([this, slot](std::uint8_t type, std::string_view payload,
                                   UniqueFd) { on_frame(slot, type, payload); },
                      [this, slot](const Error&) { on_closed(slot); });
  pump_soon();
}

void Dispatcher::on_frame(std::uint16_t slot, std::uint8_t type, std::string_view payload) {
  if (type == static_cast<std::uint8_t>(delivery::DeliveryFrame::outcome)) {
    auto outcome = delivery::decode_outcome(payload);
    if (outcome) {
      const auto flight = flights_.find(outcome->attempt);
      if (flight != flights_.end() && flight->second.slot == slot) return land(std::move(*outcome));
    }
  }
  if (type == static_cast<std::uint8_t>(delivery::DeliveryFrame::draining)) {
    links_.at(slot).draining = true;
    return let_go_if_drained(slot);
  }
  log_.error(fmt::format("delivery {} breaks the protocol; its channel is closed", slot));
  on_closed(slot);
}

void Dispatcher::on_closed(std::uint16_t slot) {
  const auto link = links_.find(slot);
  if (link == links_.end()) return;
  if (link->second.alone) {
    report(link->second.alone->job, scheduler::Outcome::untried, clock_.wall());
  }
  links_.erase(link);
  std::vector<std::uint64_t> lost;
  for (const auto& [attempt, flight] : flights_) {
    if (flight.slot == slot) lost.push_back(attempt);
  }
  std::ranges::sort(lost);
  if (!lost.empty()) {
    log_.warning(fmt::format("delivery {} ended with {} attempts under way", slot, lost.size()));
  }
  for (const std::uint64_t attempt : lost) {
    const Flight flight = take_down(attempt);
    if (flight.handed_over)
      crashed(flight);
    else
      report(flight.attempt.job, scheduler::Outcome::untried, clock_.wall());
  }
  pump_soon();
}

void Dispatcher::let_go_if_drained(std::uint16_t slot) {
  const auto link = links_.find(slot);
  if (link == links_.end() || !link->second.draining) return;
  if (link->second.in_flight == 0 && !link->second.alone) links_.erase(link);
}

}  // namespace brevdue::daemon
