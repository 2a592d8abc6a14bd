#include "scheduler/scheduler.h"

#include <algorithm>
#include <functional>

#include "scheduler/accesses.h"

namespace brevdue::scheduler {

Scheduler::Scheduler(SchedulerOptions options, std::mt19937_64& random)
    : options_(options), random_(random), due_of_sender_(sender_counters, 0) {
  options_.slice_recipients = std::max<std::uint16_t>(options_.slice_recipients, 1);
  options_.promotions_max = std::max<std::uint32_t>(options_.promotions_max, 1);
}

Result<void> Scheduler::add(const Addition& addition) {
  if (addition.first > UINT16_MAX || addition.count > UINT16_MAX ||
      addition.first + addition.count > UINT16_MAX + 1U) {
    return fail(ErrorCode::invalid_argument, "recipient positions out of range");
  }
  const std::uint32_t slices =
      (addition.count + options_.slice_recipients - 1) / options_.slice_recipients;
  if (entries_.size() + slices >= no_index) {
    return fail(ErrorCode::overloaded, "more entries than the scheduler can number");
  }
  const std::uint32_t destination = intern(addition.destination);
  const auto sender = std::hash<std::string_view>{}(addition.reverse_path);
  for (std::uint32_t slice = 0; slice < slices; ++slice) {
    const std::uint32_t index = entries_.allocate(addition.message);
    Entry& entry = entries_[index];
    const std::uint32_t skipped = slice * options_.slice_recipients;
    entry.due = addition.due;
    entry.destination = destination;
    entry.sender = static_cast<std::uint16_t>(sender ^ (sender >> 32));
    entry.first = static_cast<std::uint16_t>(addition.first + skipped);
    entry.count = static_cast<std::uint16_t>(
        std::min<std::uint32_t>(addition.count - skipped, options_.slice_recipients));
    entry.attempts =
        static_cast<std::uint16_t>(std::min<std::uint32_t>(addition.attempts, UINT16_MAX));
    entry.suspect = static_cast<std::uint8_t>(std::min<std::uint32_t>(addition.suspect, UINT8_MAX));
    ++destinations_[destination].entries;
    if (addition.held) {
      entry.state = EntryState::held;
    } else {
      wait(index);
    }
  }
  settle_place(destination);
  return {};
}

void Scheduler::remove(mail::QueueId message) {
  for (std::uint32_t index = entries_.find(message); index != no_index;) {
    Entry& entry = entries_[index];
    const std::uint32_t next = entry.next_of_message;
    if (entry.state == EntryState::in_flight || entry.state == EntryState::returned) {
      entry.remove_after = true;
    } else {
      detach(index);
      erase(index);
    }
    index = next;
  }
}

bool Scheduler::hold(mail::QueueId message) {
  bool found = false;
  for (std::uint32_t index = entries_.find(message); index != no_index;
       index = entries_[index].next_of_message) {
    Entry& entry = entries_[index];
    if (entry.remove_after) continue;
    found = true;
    if (entry.state == EntryState::in_flight || entry.state == EntryState::returned) {
      entry.hold_after = true;
    } else {
      detach(index);
      entry.state = EntryState::held;
      settle_place(entry.destination);
    }
  }
  return found;
}

bool Scheduler::release(mail::QueueId message, SteadyTime now) {
  bool found = false;
  for (std::uint32_t index = entries_.find(message); index != no_index;
       index = entries_[index].next_of_message) {
    Entry& entry = entries_[index];
    if (entry.remove_after) continue;
    found = true;
    entry.hold_after = false;
    if (entry.state != EntryState::held) continue;
    // The operator looked at it: what made it suspect counts anew.
    entry.suspect = 0;
    entry.due = now;
    wait(index);
    settle_place(entry.destination);
  }
  return found;
}

bool Scheduler::retry(mail::QueueId message, SteadyTime now) {
  bool found = false;
  for (std::uint32_t index = entries_.find(message); index != no_index;
       index = entries_[index].next_of_message) {
    Entry& entry = entries_[index];
    if (entry.remove_after) continue;
    found = true;
    if (entry.state != EntryState::waiting && entry.state != EntryState::ready) continue;
    Destination& destination = destinations_[entry.destination];
    destination.window.start_probe();
    if (entry.state == EntryState::waiting && now < entry.due) {
      entry.due = now;
      destination.waiting.update(DueAccess{entries_}, index);
    }
    settle_place(entry.destination);
  }
  return found;
}

std::size_t Scheduler::flush_one(std::uint32_t index, SteadyTime now) {
  Destination& destination = destinations_[index];
  if (destination.entries == 0) return 0;
  // min() with one bound keeps the order of a heap.
  for (const std::uint32_t entry : destination.waiting.indices()) {
    entries_[entry].due = std::min(entries_[entry].due, now);
  }
  destination.window.start_probe();
  settle_place(index);
  return destination.waiting.size() + destination.ready[0].size() + destination.ready[1].size();
}

std::size_t Scheduler::flush(SteadyTime now) {
  std::size_t flushed = 0;
  for (const auto& [name, index] : by_name_) flushed += flush_one(index, now);
  return flushed;
}

std::size_t Scheduler::flush(std::string_view destination, SteadyTime now) {
  const auto found = by_name_.find(destination);
  return found == by_name_.end() ? 0 : flush_one(found->second, now);
}

void Scheduler::feed_back(Destination& destination, Outcome outcome, SteadyTime now) {
  switch (outcome) {
    case Outcome::answered:
      destination.window.success(options_.window, destination.in_flight);
      break;
    case Outcome::destination_failed:
      destination.window.failure(options_.window, now, random_);
      break;
    case Outcome::crashed:
    case Outcome::untried:
      break;
  }
}

std::optional<std::uint32_t> Scheduler::suspicion_of(mail::QueueId message) const {
  std::uint32_t most = 0;
  for (std::uint32_t index = entries_.find(message); index != no_index;
       index = entries_[index].next_of_message) {
    most = std::max<std::uint32_t>(most, entries_[index].suspect);
  }
  return most;
}

Verdict Scheduler::report(const Job& job, Outcome outcome, std::optional<SteadyTime> next,
                          SteadyTime now) {
  Entry& entry = entries_[job.entry];
  const std::uint32_t at = entry.destination;
  Destination& destination = destinations_[at];
  BREVDUE_ASSERT(entry.message == job.message);
  Verdict verdict;
  const bool returned = entry.state == EntryState::returned;
  BREVDUE_ASSERT(returned || entry.state == EntryState::in_flight);
  if (!returned) {
    const bool was_dead = destination.window.dead();
    feed_back(destination, outcome, now);
    verdict.destination_died = destination.window.dead() && !was_dead;
    --destination.in_flight;
    --in_flight_;
    if (entry.exclusive) exclusive_running_ = false;
  }

  const std::uint8_t suspect_before = entry.suspect;
  if (outcome == Outcome::crashed) {
    if (entry.suspect < UINT8_MAX) ++entry.suspect;
    verdict.hold = entry.suspect >= options_.suspect_max && !entry.remove_after;
  } else if (!returned && outcome != Outcome::untried) {
    entry.suspect = 0;
  }
  const bool suspicion_changed = entry.suspect != suspect_before && !entry.remove_after;

  if (entry.remove_after || !next) {
    erase(job.entry);
  } else {
    entry.due = *next;
    entry.exclusive = false;
    if ((returned || outcome != Outcome::untried) && entry.attempts < UINT16_MAX) ++entry.attempts;
    if (entry.hold_after) {
      entry.hold_after = false;
      entry.state = EntryState::held;
    } else {
      wait(job.entry);
    }
    settle_place(at);
  }
  if (suspicion_changed) verdict.suspect = suspicion_of(job.message);
  return verdict;
}

std::optional<SteadyTime> Scheduler::next_due() const {
  if (wakes_.empty()) return std::nullopt;
  return destinations_[wakes_.top()].wake;
}

std::optional<SteadyTime> Scheduler::due_of(mail::QueueId message) const {
  std::optional<SteadyTime> due;
  for (std::uint32_t index = entries_.find(message); index != no_index;
       index = entries_[index].next_of_message) {
    const Entry& entry = entries_[index];
    if (!entry.remove_after && (!due || entry.due < *due)) due = entry.due;
  }
  return due;
}

std::string_view Scheduler::name_of(DestinationId destination) const {
  return destinations_[static_cast<std::uint32_t>(destination)].name;
}

std::optional<Scheduler::DestinationState> Scheduler::state_of(std::string_view name) const {
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) return std::nullopt;
  const Destination& destination = destinations_[found->second];
  return DestinationState{destination.waiting.size(),
                          destination.ready[0].size() + destination.ready[1].size(),
                          destination.in_flight, destination.window.size()};
}

}  // namespace brevdue::scheduler
