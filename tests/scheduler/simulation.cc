#include "tests/scheduler/simulation.h"

#include <algorithm>

#include <fmt/format.h>

namespace brevdue::scheduler {

using mail::QueueId;
using mail::RecipientResult;
using mail::RecipientStatus;
using namespace std::chrono_literals;

static constexpr std::size_t jobs_max = 100;
static constexpr unsigned processes = 2;
static constexpr unsigned lone_process = processes;
static const WallTime wall_start{std::chrono::seconds(1'795'000'000)};

Simulation::Simulation(SimulationOptions options)
    : options_(options),
      random_(options.seed),
      scheduler_(std::make_unique<Scheduler>(SchedulerOptions{}, random_)) {
  arrange_peers();
  arrange_mail();
  if (options_.clock_jump != 0h) at(now_ + 25h, [this] { wall_offset_ += options_.clock_jump; });
  for (int i = 1; options_.restarts && i <= 12; ++i) {
    at(now_ + between(1h, 24h * 8), [this] { restart(); });
  }
  for (int i = 1; options_.process_crashes && i <= 12; ++i) {
    at(now_ + between(1h, 24h * 8), [this] { crash(static_cast<unsigned>(dice(processes))); });
  }
}

SteadyTime::duration Simulation::between(std::chrono::milliseconds least,
                                         std::chrono::milliseconds most) {
  return least +
         std::chrono::milliseconds(dice(static_cast<std::uint64_t>((most - least).count()) + 1));
}

WallTime Simulation::wall() const {
  return wall_start + wall_offset_ +
         std::chrono::duration_cast<std::chrono::microseconds>(now_.time_since_epoch());
}

void Simulation::at(SteadyTime time, std::function<void()> event) {
  events_.push({time, ++last_event_, std::move(event)});
}

void Simulation::violation(std::string text) {
  if (violations.size() < 100) violations.push_back(std::move(text));
}

void Simulation::arrange_peers() {
  static constexpr std::pair<const char*, PeerKind> kinds[] = {
      {"healthy", PeerKind::healthy},  {"limited", PeerKind::limited},
      {"dead", PeerKind::dead},        {"down", PeerKind::sometimes_down},
      {"grey", PeerKind::greylisting}, {"flaky", PeerKind::flaky}};
  for (const auto& [name, kind] : kinds) {
    for (unsigned i = 0; i < 4; ++i) {
      Peer& peer = peers_[fmt::format("{}{}", name, i)];
      peer.kind = kind;
      if (kind == PeerKind::limited) peer.limit = 1 + i * 4;
      for (int outage = 0; kind == PeerKind::sometimes_down && outage < 5; ++outage) {
        at(now_ + between(0h, 24h * 8),
           [this, &peer] { peer.down_until = now_ + between(1min, 24h); });
      }
    }
  }
}

void Simulation::arrange_mail() {
  for (unsigned i = 0; i < options_.messages; ++i) {
    const unsigned recipients =
        dice(20) == 0 ? static_cast<unsigned>(dice(1500)) + 1 : static_cast<unsigned>(dice(4)) + 1;
    at(now_ + between(0h, 24h * 7),
       [this, i, recipients] { arrive(fmt::format("sender{}", i % 37), recipients, false, ""); });
  }
  for (unsigned i = 0; i < options_.poison_messages; ++i) {
    at(now_ + between(0h, 24h * 7), [this] { arrive("poisoner", 2, true, ""); });
  }
  for (const auto delay : {10h, 80h}) {
    at(now_ + delay, [this] {
      for (unsigned i = 0; i < options_.blast; ++i) arrive("blaster", 1, false, "healthy0");
      for (unsigned i = 0; i < options_.blast; ++i) arrive("blaster", 1, false, "limited2");
      for (unsigned i = 0; i < options_.blast / 5; ++i) arrive("blaster", 1, false, "dead0");
    });
  }
}

void Simulation::arrive(std::string sender, unsigned recipients, bool poison,
                        std::string_view only) {
  const QueueId id(++last_id_);
  Message& message = messages_[id];
  message.id = id;
  message.arrival = wall();
  message.true_arrival = now_;
  message.sender = std::move(sender);
  message.poison = poison;
  message.recipients = recipients;
  message.deliveries.resize(recipients);
  message.may_repeat.resize(recipients);
  // Large messages go to few destinations, so that slices occur.
  const std::uint64_t spread = 1 + dice(recipients > 10 ? 3 : 4);
  const std::uint64_t start = dice(peers_.size());
  for (std::uint32_t recipient = 0; recipient < recipients; ++recipient) {
    const auto peer =
        std::next(peers_.begin(), static_cast<long>((start + dice(spread) * 5) % peers_.size()));
    message.by_destination[only.empty() ? peer->first : std::string(only)].push_back(recipient);
  }
  message.state.next_attempt = wall();
  schedule(message);
  pump();
}

// What qmgr does for a message that has arrived or was recovered.
void Simulation::schedule(Message& message) {
  const WallTime next = retries_.clamp_after_restart(message.state.next_attempt, wall());
  const SteadyTime due = steady_at(next, wall(), now_);
  message.due.clear();
  for (const auto& [destination, recipients] : message.by_destination) {
    for (std::uint32_t first = 0; first < recipients.size(); first += 100) {
      const auto count =
          std::min<std::uint32_t>(100, static_cast<std::uint32_t>(recipients.size()) - first);
      const bool open = std::any_of(
          recipients.begin() + first, recipients.begin() + first + count, [&](std::uint32_t r) {
            const auto status = message.state.status_of(r);
            return status != RecipientStatus::relayed && status != RecipientStatus::failed;
          });
      if (!open) continue;
      message.due[{destination, first}] = due;
      const auto added = scheduler_->add({.message = message.id,
                                          .destination = destination,
                                          .first = first,
                                          .count = count,
                                          .due = due,
                                          .reverse_path = message.sender,
                                          .attempts = message.state.attempts,
                                          .suspect = message.state.suspect,
                                          .held = message.state.held});
      if (!added) violation(describe(added.error()));
    }
  }
}

void Simulation::pump() {
  for (;;) {
    const auto jobs = scheduler_->take(jobs_max - running_.size(), now_);
    for (const Job& job : jobs) {
      if (job.suspended) {
        give_back(job);
      } else {
        begin(job);
      }
    }
    const auto next = scheduler_->next_due();
    if (jobs.empty() && (!next || *next > now_)) {
      arm(next);
      return;
    }
    if (running_.size() >= jobs_max) return;
  }
}

// One timer, as in qmgr: an earlier one replaces it.
void Simulation::arm(std::optional<SteadyTime> time) {
  if (!time || (armed_ > now_ && armed_ <= *time)) return;
  armed_ = *time;
  at(*time, [this, time] {
    if (armed_ == *time) pump();
  });
}

void Simulation::check_wait(Message& message, const Job& job, const std::string& destination) {
  const auto due = message.due.find({destination, job.first});
  if (due == message.due.end()) {
    violation(
        fmt::format("job for {} which has nothing due at {}", job.message.value(), destination));
    return;
  }
  const auto wait = now_ - due->second;
  if (wait < 0s) violation(fmt::format("{} tried before it is due", job.message.value()));
  // Back-off of a dead destination, and the time that a full window needs.
  if (wait > 4000s + 1h) {
    violation(fmt::format("{} waited {} s for {}", job.message.value(),
                          std::chrono::duration_cast<std::chrono::seconds>(wait).count(),
                          destination));
  }
  if (peers_[destination].kind == PeerKind::healthy && message.sender != "blaster" &&
      job.first == 0 && !job.exclusive) {
    totals_.longest_healthy_wait = std::max(totals_.longest_healthy_wait, wait);
  }
}

std::vector<std::uint32_t> Simulation::open_of(const Message& message, const Job& job,
                                               const std::string& destination) const {
  std::vector<std::uint32_t> open;
  const auto& recipients = message.by_destination.at(destination);
  for (unsigned i = job.first; i < job.first + job.count; ++i) {
    const auto status = message.state.status_of(recipients.at(i));
    if (status != RecipientStatus::relayed && status != RecipientStatus::failed) {
      open.push_back(recipients[i]);
    }
  }
  return open;
}

void Simulation::begin(const Job& job) {
  Message& message = messages_.at(job.message);
  const std::string destination(scheduler_->name_of(job.destination));
  check_wait(message, job, destination);
  if (message.state.held) violation("a held message was taken");
  if (open_of(message, job, destination).empty()) violation("a slice without open recipients");
  const auto state = scheduler_->state_of(destination).value();
  if (state.in_flight > 20) violation(destination + ": window exceeded");
  ++totals_.attempts;
  Peer& peer = peers_[destination];
  const bool answers = peer.kind != PeerKind::dead && now_ >= peer.down_until;
  const bool greets = answers && peer.connections < peer.limit;
  if (greets) ++peer.connections;
  if (answers && !greets) ++totals_.rejected_connections;
  const unsigned process = job.exclusive ? lone_process : static_cast<unsigned>(dice(processes));
  const std::uint64_t id = ++last_running_;
  running_.emplace(id, Running{job, destination, process, greets});
  if (message.poison) {
    at(now_ + 1s, [this, id, process] {
      if (running_.contains(id)) crash(process);
    });
  } else {
    at(now_ + (answers ? between(20ms, 3s) : between(1s, 30s)), [this, id] { finish(id); });
  }
}

void Simulation::give_back(const Job& job) {
  Message& message = messages_.at(job.message);
  const std::string destination(scheduler_->name_of(job.destination));
  check_wait(message, job, destination);
  if (scheduler_->state_of(destination).value().window != 0) violation("suspended but not dead");
  std::vector<RecipientResult> results;
  for (const std::uint32_t r : open_of(message, job, destination)) {
    results.push_back({r, RecipientStatus::deferred, "450 4.4.1 destination is dead"});
  }
  end(job, Outcome::destination_failed, std::move(results));
}

std::vector<RecipientResult> Simulation::converse(Message& message, Peer& peer,
                                                  const std::vector<std::uint32_t>& open) {
  std::vector<RecipientResult> results;
  const bool grey = peer.kind == PeerKind::greylisting &&
                    now_ < peer.greylist.try_emplace(message.id, now_).first->second + 10min;
  for (const std::uint32_t r : open) {
    auto status = RecipientStatus::relayed;
    if (grey || (peer.kind == PeerKind::flaky && dice(10) < 3)) {
      status = RecipientStatus::deferred;
    } else if (peer.kind == PeerKind::flaky && dice(10) == 0) {
      status = RecipientStatus::failed;
    }
    if (status == RecipientStatus::relayed) {
      if (message.deliveries[r]++ > 0) {
        ++totals_.duplicates;
        if (!message.may_repeat[r]) violation("delivered twice without a crash");
      }
      if (peer.kind == PeerKind::limited) ++totals_.accepted_at_limited;
    }
    results.push_back({r, status, ""});
  }
  return results;
}

void Simulation::finish(std::uint64_t id) {
  const auto found = running_.find(id);
  if (found == running_.end()) return;
  const Running running = found->second;
  running_.erase(found);
  Message& message = messages_.at(running.job.message);
  Peer& peer = peers_[running.destination];
  const auto open = open_of(message, running.job, running.destination);
  if (!running.connected) {
    std::vector<RecipientResult> results;
    for (const std::uint32_t r : open) results.push_back({r, RecipientStatus::deferred, ""});
    end(running.job, Outcome::destination_failed, std::move(results));
  } else {
    --peer.connections;
    end(running.job, Outcome::answered, converse(message, peer, open));
  }
  pump();
}

// The end of an attempt: what qmgr makes of the results.
void Simulation::end(const Job& job, Outcome outcome, std::vector<RecipientResult> results) {
  Message& message = messages_.at(job.message);
  const std::string destination(scheduler_->name_of(job.destination));
  mail::Settlement settlement;
  settlement.sequence = message.state.sequence + 1;
  const std::uint32_t attempts = job.attempts + 1U;
  settlement.attempts = std::max(message.state.attempts, attempts);
  settlement.suspect = message.state.suspect;
  const auto deferred = [](const RecipientResult& result) {
    return result.status == RecipientStatus::deferred;
  };
  if (std::ranges::any_of(results, deferred) && outcome != Outcome::crashed &&
      retries_.expired(message.arrival, attempts, wall(), false)) {
    for (RecipientResult& result : results) {
      if (!deferred(result)) continue;
      result.status = RecipientStatus::failed;
      ++totals_.expired;
    }
    const auto age = now_ - message.true_arrival;
    totals_.shortest_expiry = std::min(totals_.shortest_expiry, age);
    totals_.longest_expiry = std::max(totals_.longest_expiry, age);
  }
  const bool again = outcome == Outcome::crashed || std::ranges::any_of(results, deferred);
  const WallTime next =
      outcome == Outcome::crashed ? wall() : retries_.next_attempt(attempts, wall(), random_);
  const SteadyTime due = steady_at(next, wall(), now_);
  if (again) {
    message.due[{destination, job.first}] = due;
  } else {
    message.due.erase({destination, job.first});
  }
  const Verdict verdict =
      scheduler_->report(job, outcome, again ? std::optional(due) : std::nullopt, now_);
  settlement.held = verdict.hold;
  settlement.suspect = verdict.suspect.value_or(message.state.suspect);
  settlement.results = std::move(results);
  const SteadyTime earliest = scheduler_->due_of(message.id).value_or(due);
  settlement.next_attempt =
      wall() + std::chrono::duration_cast<std::chrono::microseconds>(earliest - now_);
  if (verdict.hold) {
    scheduler_->hold(message.id);
    totals_.only_poison_held = totals_.only_poison_held && message.poison;
  }
  message.state.apply(settlement);
}

// The attempt may have done its work at the peer without anyone here knowing.
void Simulation::lose(const Running& running) {
  Message& message = messages_.at(running.job.message);
  if (!running.connected) return;
  Peer& peer = peers_[running.destination];
  --peer.connections;
  const auto open = open_of(message, running.job, running.destination);
  if (message.poison || dice(3) != 0) return;
  for (const RecipientResult& result : converse(message, peer, open)) {
    if (result.status == RecipientStatus::relayed) message.may_repeat[result.recipient] = true;
  }
}

void Simulation::crash(unsigned process) {
  ++totals_.crashes;
  std::vector<Running> lost;
  std::erase_if(running_, [&](const auto& entry) {
    if (entry.second.process != process) return false;
    lost.push_back(entry.second);
    return true;
  });
  for (const Running& running : lost) {
    lose(running);
    end(running.job, Outcome::crashed, {});
  }
  pump();
}

void Simulation::restart() {
  ++totals_.restarts;
  for (const auto& [id, running] : running_) lose(running);
  running_.clear();
  now_ += between(1s, 2h);
  scheduler_ = std::make_unique<Scheduler>(SchedulerOptions{}, random_);
  for (auto& [id, message] : messages_) {
    if (message.state.open_recipients(message.recipients) > 0) schedule(message);
  }
  pump();
}

void Simulation::run(std::chrono::hours length) {
  const SteadyTime until = now_ + length;
  while (!events_.empty() && events_.top().time <= until) {
    const Event event = events_.top();
    events_.pop();
    now_ = std::max(now_, event.time);
    event.run();
  }
}

Simulation::Totals Simulation::totals() const {
  Totals totals = totals_;
  for (const auto& [id, message] : messages_) {
    for (std::uint32_t r = 0; r < message.recipients; ++r) {
      switch (message.state.status_of(r)) {
        case RecipientStatus::relayed:
          ++totals.relayed;
          break;
        case RecipientStatus::failed:
          ++totals.failed;
          break;
        case RecipientStatus::pending:
        case RecipientStatus::deferred:
          ++(message.state.held ? totals.held : totals.open);
          break;
      }
    }
  }
  return totals;
}

}  // namespace brevdue::scheduler
