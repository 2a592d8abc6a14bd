// The way back: what an attempt's outcome means for the message, its sender and the scheduler.
#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include "daemon/dispatcher.h"

namespace brevdue::daemon {

using mail::RecipientStatus;

namespace {
// As much of the content as a DSN can want.
constexpr std::size_t returned_content_max = 64 * 1024;
constexpr std::size_t reasons_max = 10'000;

std::string beginning_of(const queue::Content& content) {
  if (!content.file) return std::string(content.bytes.view());
  std::string text(returned_content_max, '\0');
  const ssize_t n = ::pread(content.file.get(), text.data(), text.size(), 0);
  text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  return text;
}

// A delivery process talks to strangers, and is not trusted to answer for each recipient of its job
// once and for no other: one that it left out is deferred.
std::vector<delivery::RecipientOutcome> answers_for(const std::vector<std::uint32_t>& recipients,
                                                    std::vector<delivery::RecipientOutcome> given) {
  std::ranges::sort(given, {}, &delivery::RecipientOutcome::recipient);
  std::vector<delivery::RecipientOutcome> answers;
  answers.reserve(recipients.size());
  for (const std::uint32_t recipient : recipients) {
    const auto at =
        std::ranges::lower_bound(given, recipient, {}, &delivery::RecipientOutcome::recipient);
    if (at != given.end() && at->recipient == recipient) {
      answers.push_back(std::move(*at));
    } else {
      answers.push_back({recipient,
                         RecipientStatus::deferred,
                         "4.3.0",
                         "the delivery process gave no result",
                         {},
                         false,
                         false});
    }
  }
  return answers;
}
}  // namespace

Dispatcher::Flight Dispatcher::take_down(std::uint64_t attempt) {
  auto node = flights_.extract(attempt);
  BREVDUE_ASSERT(!node.empty());
  Flight flight = std::move(node.mapped());
  if (const auto link = links_.find(flight.slot); link != links_.end()) {
    --link->second.in_flight;
    if (flight.attempt.job.exclusive) link->second.exclusive = false;
    if (link->second.alone) {
      // Still closed to all others until it runs.
      link->second.exclusive = true;
      if (link->second.in_flight == 0) {
        events_.post([this, slot = flight.slot] { begin_alone(slot); });
      }
    }
    let_go_if_drained(flight.slot);
  }
  if (const auto active = active_.find(flight.attempt.job.message); --active->second == 0) {
    active_.erase(active);
  }
  return flight;
}

scheduler::Verdict Dispatcher::report(const scheduler::Job& job, scheduler::Outcome outcome,
                                      std::optional<WallTime> next) {
  const SteadyTime now = clock_.steady();
  std::optional<SteadyTime> due;
  if (next) due = scheduler::steady_at(*next, clock_.wall(), now);
  pump_soon();
  return scheduler_.report(job, outcome, due, now);
}

void Dispatcher::land(delivery::Outcome outcome) {
  const Flight flight = take_down(outcome.attempt);
  outcome.recipients = answers_for(flight.recipients, std::move(outcome.recipients));
  conclude(flight, outcome);
  end_if_drained();
}

mail::Settlement Dispatcher::unchanged(const mail::DeliveryState& state) const {
  mail::Settlement settlement;
  settlement.attempts = state.attempts;
  settlement.suspect = state.suspect;
  settlement.next_attempt = state.next_attempt;
  settlement.held = state.held;
  settlement.delay_notified = state.delay_notified;
  return settlement;
}

void Dispatcher::crashed(const Flight& flight) {
  const auto& [job, message] = flight.attempt;
  if (!queue_.stays(job.message)) {
    report(job, scheduler::Outcome::crashed, std::nullopt);
    return;
  }
  const WallTime now = clock_.wall();
  const scheduler::Verdict verdict = report(job, scheduler::Outcome::crashed, now);
  mail::Settlement settlement = unchanged(message->state);
  settlement.suspect = verdict.suspect.value_or(settlement.suspect);
  settlement.held = settlement.held || verdict.hold;
  settlement.next_attempt = now;
  if (verdict.hold) {
    log_.error(
        fmt::format("{}: held: delivery crashed {} times with it; see `brevdue queue show {}`",
                    job.message.text(), settlement.suspect, job.message.text()));
    scheduler_.hold(job.message);
  }
  settle_only(job.message, std::move(settlement), [](const Result<void>&) {});
}

void Dispatcher::settle_only(mail::QueueId id, mail::Settlement settlement, Done done) {
  queue_.settle(id, std::move(settlement), {},
                [done = counted(std::move(done))](Result<void> result) mutable { done(result); });
}

// A destination that is dead for good: its messages are deferred, or expire, with its last reason.
void Dispatcher::suspend(Attempt attempt, Recipients recipients) {
  const scheduler::Job& job = attempt.job;
  const auto known = last_reason_.find(std::string(scheduler_.name_of(job.destination)));
  const std::string reason =
      "delivery temporarily suspended: " +
      (known == last_reason_.end() ? "destination is unreachable" : known->second);
  delivery::Outcome outcome;
  outcome.destination_failed = true;
  for (const std::uint32_t recipient : recipients) {
    outcome.recipients.push_back(
        {recipient, RecipientStatus::deferred, "4.4.1", reason, {}, false, false});
  }
  auto envelope = mail::decode_envelope(attempt.message->envelope.view());
  const double delay = std::chrono::duration<double>(clock_.wall() - envelope->arrival).count();
  for (const std::uint32_t recipient : recipients) {
    log_.as("error", fmt::format("{}: to=<{}>, relay=none, delay={:.2f}, delays={:.2f}/0/0/0, "
                                 "dsn=4.4.1, status=deferred ({})",
                                 job.message.text(), envelope->recipients[recipient].address,
                                 std::max(0.0, delay), std::max(0.0, delay), reason));
  }
  conclude(Flight{std::move(attempt), 0, std::move(recipients)}, outcome);
}

void Dispatcher::conclude(const Flight& flight, const delivery::Outcome& outcome) {
  const auto& [job, message] = flight.attempt;
  if (!queue_.stays(job.message)) {
    report(job, scheduler::Outcome::answered, std::nullopt);
    return;
  }
  auto envelope = mail::decode_envelope(message->envelope.view());
  BREVDUE_ASSERT(envelope.has_value());
  Conclusion conclusion = weigh(flight, *envelope, message->state, outcome);
  if (!job.suspended) remember_reason(job, outcome);
  if (outcome.content_corrupt) {
    log_.error(job.message.text() + ": held: its content is damaged");
    conclusion.hold = true;
    scheduler_.hold(job.message);
  }
  const auto kind = outcome.destination_failed ? scheduler::Outcome::destination_failed
                                               : scheduler::Outcome::answered;
  conclusion.suspect = report(job, kind, conclusion.next).suspect;
  write_down(message, *envelope, std::move(conclusion), [](const Result<void>&) {});
}

// Why a destination cannot be reached, for those of its messages that get no attempt of their own.
void Dispatcher::remember_reason(const scheduler::Job& job, const delivery::Outcome& outcome) {
  const std::string destination(scheduler_.name_of(job.destination));
  if (!outcome.destination_failed || outcome.recipients.empty()) {
    last_reason_.erase(destination);
    return;
  }
  if (last_reason_.size() >= reasons_max) last_reason_.erase(last_reason_.begin());
  last_reason_[destination] = outcome.recipients.front().reply;
}

Dispatcher::Conclusion Dispatcher::weigh(const Flight& flight, const mail::Envelope& envelope,
                                         const mail::DeliveryState& state,
                                         const delivery::Outcome& outcome) {
  Conclusion conclusion;
  conclusion.settlement = unchanged(state);
  mail::Settlement& settlement = conclusion.settlement;
  const WallTime now = clock_.wall();
  const std::uint32_t attempts = flight.attempt.job.attempts + 1u;
  const WallTime next = retry_.next_attempt(attempts, now, random_);
  settlement.attempts = std::max(state.attempts, attempts);
  // The disk holds one next attempt, the earliest of the message's slices.
  const bool whole = flight.recipients.size() >= state.open_recipients(envelope.recipients.size());
  const bool earlier = !whole && state.next_attempt > now && state.next_attempt < next;
  settlement.next_attempt = earlier ? state.next_attempt : next;
  const bool expired =
      retry_.expired(envelope.arrival, attempts, now, envelope.reverse_path.empty());
  for (const delivery::RecipientOutcome& one : outcome.recipients) {
    if (one.recipient >= envelope.recipients.size()) continue;
    if (one.status == RecipientStatus::deferred && expired) {
      expire(envelope, one, conclusion);
      continue;
    }
    settlement.results.push_back({one.recipient, one.status, one.reply});
    if (one.status == RecipientStatus::deferred) {
      conclusion.next = next;
    } else {
      ++conclusion.closed;
    }
    if (one.status == RecipientStatus::failed) {
      conclusion.owed.push_back(dsn_recipient(one, mail::DsnAction::failed, clock_.wall()));
    }
    if (one.status == RecipientStatus::relayed && !one.dsn_relayed) {
      conclusion.owed.push_back(dsn_recipient(one, mail::DsnAction::relayed, clock_.wall()));
    }
  }
  if (conclusion.next && !state.delay_notified &&
      retry_.delay_notice_due(envelope.arrival, attempts, now)) {
    notify_delay(envelope, outcome, conclusion);
  }
  return conclusion;
}

void Dispatcher::expire(const mail::Envelope& envelope, const delivery::RecipientOutcome& one,
                        Conclusion& conclusion) const {
  conclusion.settlement.results.push_back({one.recipient, RecipientStatus::failed, one.reply});
  ++conclusion.closed;
  mail::DsnRecipient owed = dsn_recipient(one, mail::DsnAction::failed, clock_.wall());
  owed.expired = true;
  conclusion.owed.push_back(std::move(owed));
  const double delay = std::chrono::duration<double>(clock_.wall() - envelope.arrival).count();
  log_.info(
      fmt::format("{}: to=<{}>, relay=none, delay={:.2f}, delays={:.2f}/0/0/0, dsn=4.4.7, "
                  "status=expired, returned to sender ({})",
                  envelope.id.text(), envelope.recipients[one.recipient].address,
                  std::max(0.0, delay), std::max(0.0, delay), one.reply));
}

void Dispatcher::notify_delay(const mail::Envelope&, const delivery::Outcome& outcome,
                              Conclusion& conclusion) const {
  conclusion.settlement.delay_notified = true;
  for (const delivery::RecipientOutcome& one : outcome.recipients) {
    if (one.status == RecipientStatus::deferred) {
      conclusion.owed.push_back(dsn_recipient(one, mail::DsnAction::delayed, clock_.wall()));
    }
  }
}

void Dispatcher::write_down(const queue::MessagePtr& message, const mail::Envelope& envelope,
                            Conclusion conclusion, Done done) {
  std::erase_if(conclusion.owed, [&](const mail::DsnRecipient& recipient) {
    return !mail::dsn_owed(envelope, envelope.recipients[recipient.recipient], recipient.action);
  });
  done = counted(std::move(done));
  if (conclusion.owed.empty()) return commit(message, std::move(conclusion), {}, std::move(done));
  // The DSN quotes the message: its content is wanted once more.
  queue_.read(message->id, [this, message, envelope, conclusion = std::move(conclusion),
                            done = std::move(done)](Result<queue::Content> content) mutable {
    const std::string beginning = content ? beginning_of(*content) : std::string();
    auto notices =
        notices_.write(envelope, beginning, conclusion.owed,
                       retry_.expires_at(envelope.arrival, envelope.reverse_path.empty()));
    for (const queue::NewMessage& notice : notices) {
      const bool delayed = conclusion.owed.front().action == mail::DsnAction::delayed;
      log_.as("bounce", fmt::format("{}: sender {} notification: {}", message->id.text(),
                                    delayed ? "delay" : "non-delivery", notice.id.text()));
    }
    commit(message, std::move(conclusion), std::move(notices), std::move(done));
  });
}

void Dispatcher::commit(const queue::MessagePtr& message, Conclusion conclusion,
                        std::vector<queue::NewMessage> notices, Done done) {
  const mail::QueueId id = message->id;
  if (!queue_.stays(id)) return done({});
  // What the operator or another attempt changed while the DSN was made stays.
  mail::Settlement& settlement = conclusion.settlement;
  settlement.held = message->state.held || conclusion.hold;
  settlement.suspect = conclusion.suspect.value_or(message->state.suspect);
  settlement.attempts = std::max(settlement.attempts, message->state.attempts);
  settlement.delay_notified = settlement.delay_notified || message->state.delay_notified;
  const std::size_t open = message->state.open_recipients(message->recipient_count);
  if (conclusion.closed < open) {
    return queue_.settle(id, std::move(conclusion.settlement), std::move(notices),
                         [done = std::move(done)](Result<void> result) mutable { done(result); });
  }
  queue_.discard(id, std::move(notices),
                 [this, id, done = std::move(done)](Result<void> result) mutable {
                   if (result) log_.info(id.text() + ": removed");
                   done(result);
                 });
}

}  // namespace brevdue::daemon
