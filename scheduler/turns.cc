// The part of Scheduler that decides whose turn it is: where entries and destinations stand, and
// what take() hands out.
#include <algorithm>

#include "scheduler/accesses.h"
#include "scheduler/scheduler.h"

namespace brevdue::scheduler {

std::uint32_t Scheduler::intern(std::string_view name) {
  if (const auto found = by_name_.find(name); found != by_name_.end()) return found->second;
  std::uint32_t index = 0;
  if (free_destinations_.empty()) {
    index = static_cast<std::uint32_t>(destinations_.size());
    destinations_.emplace_back(options_.window);
  } else {
    index = free_destinations_.back();
    free_destinations_.pop_back();
  }
  destinations_[index].name = name;
  by_name_.emplace(destinations_[index].name, index);
  return index;
}

void Scheduler::forget(std::uint32_t index) {
  for (const RingKind kind : {prompt_ring, bulk_ring, suspended_ring, idle_ring}) {
    set_ring(index, kind, false);
  }
  wake_at(index, std::nullopt);
  by_name_.erase(destinations_[index].name);
  destinations_[index] = Destination(options_.window);
  free_destinations_.push_back(index);
}

void Scheduler::set_ring(std::uint32_t index, RingKind kind, bool in) {
  Destination& destination = destinations_[index];
  const auto bit = static_cast<std::uint8_t>(1U << kind);
  if (((destination.rings & bit) != 0) == in) return;
  destination.rings ^= bit;
  Ring& ring = rings_[kind];
  RingLink& link = destination.links[kind];
  if (in) {
    link = {ring.tail, no_index};
    (ring.tail == no_index ? ring.head : destinations_[ring.tail].links[kind].after) = index;
    ring.tail = index;
    ++ring.size;
  } else {
    (link.before == no_index ? ring.head : destinations_[link.before].links[kind].after) =
        link.after;
    (link.after == no_index ? ring.tail : destinations_[link.after].links[kind].before) =
        link.before;
    link = {};
    --ring.size;
  }
}

void Scheduler::rotate(RingKind kind) {
  const std::uint32_t head = rings_[kind].head;
  set_ring(head, kind, false);
  set_ring(head, kind, true);
}

void Scheduler::wake_at(std::uint32_t index, std::optional<SteadyTime> time) {
  Destination& destination = destinations_[index];
  const bool in = destination.wake_position != no_index;
  if (!time) {
    if (in) {
      wakes_.remove(WakeAccess{destinations_}, index);
      destination.wake_position = no_index;
    }
    return;
  }
  if (in && destination.wake == *time) return;
  destination.wake = *time;
  if (in) {
    wakes_.update(WakeAccess{destinations_}, index);
  } else {
    wakes_.push(WakeAccess{destinations_}, index);
  }
}

std::optional<SteadyTime> Scheduler::wake_time(const Destination& destination) const {
  std::optional<SteadyTime> time;
  if (!destination.waiting.empty()) time = entries_[destination.waiting.top()].due;
  const bool due = !destination.ready[0].empty() || !destination.ready[1].empty();
  if (destination.window.dead() && due) {
    const SteadyTime until = destination.window.dead_until();
    time = time ? std::min(*time, until) : until;
  }
  return time;
}

void Scheduler::settle_place(std::uint32_t index) {
  Destination& destination = destinations_[index];
  const bool open = destination.window.may_start(destination.in_flight);
  const bool prompt = !destination.ready[0].empty();
  const bool bulk = !destination.ready[1].empty();
  set_ring(index, prompt_ring, open && prompt);
  set_ring(index, bulk_ring, open && bulk);
  set_ring(index, suspended_ring, destination.window.suspended() && (prompt || bulk));
  wake_at(index, wake_time(destination));
  set_ring(index, idle_ring, destination.entries == 0);
  if (destination.entries != 0) return;
  if (destination.window.pristine(options_.window)) {
    forget(index);
  } else {
    forget_idle();
  }
}

void Scheduler::forget_idle() {
  while (rings_[idle_ring].size > options_.idle_destinations_max) forget(rings_[idle_ring].head);
}

void Scheduler::wait(std::uint32_t index) {
  Entry& entry = entries_[index];
  entry.state = EntryState::waiting;
  destinations_[entry.destination].waiting.push(DueAccess{entries_}, index);
}

void Scheduler::make_ready(std::uint32_t index) {
  Entry& entry = entries_[index];
  entry.bulk = later_slice(entry) || due_of_sender(entry.sender) >= options_.bulk_threshold;
  if (!later_slice(entry)) ++due_of_sender(entry.sender);
  entry.state = EntryState::ready;
  destinations_[entry.destination].ready[entry.bulk ? 1 : 0].push(entries_, index);
}

void Scheduler::detach(std::uint32_t index) {
  Entry& entry = entries_[index];
  Destination& destination = destinations_[entry.destination];
  switch (entry.state) {
    case EntryState::waiting:
      destination.waiting.remove(DueAccess{entries_}, index);
      break;
    case EntryState::ready:
      destination.ready[entry.bulk ? 1 : 0].remove(entries_, index);
      if (!later_slice(entry)) --due_of_sender(entry.sender);
      break;
    case EntryState::alone:
      alone_.unlink(entries_, index);
      break;
    case EntryState::free:
    case EntryState::in_flight:
    case EntryState::returned:
    case EntryState::held:
      break;
  }
}

void Scheduler::erase(std::uint32_t index) {
  const std::uint32_t destination = entries_[index].destination;
  entries_.release(index);
  --destinations_[destination].entries;
  settle_place(destination);
}

std::uint32_t Scheduler::pop_ready(std::uint32_t index, bool bulk) {
  const std::uint32_t popped = destinations_[index].ready[bulk ? 1 : 0].pop(entries_);
  const Entry& entry = entries_[popped];
  if (!later_slice(entry)) --due_of_sender(entry.sender);
  return popped;
}

// Moves what is due at one destination, at most `budget`, into its lanes; returns how many.
std::uint32_t Scheduler::promote_some(std::uint32_t index, SteadyTime now, std::uint32_t budget) {
  Destination& destination = destinations_[index];
  if (destination.window.dead() && destination.window.dead_until() <= now) {
    destination.window.start_probe();
  }
  std::uint32_t moved = 0;
  while (moved < budget && !destination.waiting.empty()) {
    const std::uint32_t entry = destination.waiting.top();
    if (now < entries_[entry].due) break;
    detach(entry);
    make_ready(entry);
    ++moved;
  }
  settle_place(index);
  // One with much more to move goes behind the others that are due.
  if (destination.wake_position != no_index && destination.wake < now) wake_at(index, now);
  return moved;
}

void Scheduler::promote(SteadyTime now) {
  static constexpr std::uint32_t at_once = 256;
  std::uint32_t budget = options_.promotions_max;
  while (budget > 0 && !wakes_.empty() && destinations_[wakes_.top()].wake <= now) {
    const std::uint32_t moved = promote_some(wakes_.top(), now, std::min(budget, at_once));
    // A destination whose time to be probed has come costs one, too.
    budget -= std::max(moved, 1U);
  }
}

Job Scheduler::job_of(std::uint32_t index) const {
  const Entry& entry = entries_[index];
  return {entry.message, DestinationId{entry.destination}, index, entry.first, entry.count,
          entry.attempts};
}

Job Scheduler::start(std::uint32_t index, bool exclusive) {
  Entry& entry = entries_[index];
  entry.state = EntryState::in_flight;
  entry.exclusive = exclusive;
  ++destinations_[entry.destination].in_flight;
  ++in_flight_;
  settle_place(entry.destination);
  Job job = job_of(index);
  job.exclusive = exclusive;
  return job;
}

void Scheduler::take_suspended(std::size_t room, std::vector<Job>& jobs) {
  for (std::size_t i = 0; i < room && rings_[suspended_ring].head != no_index; ++i) {
    const std::uint32_t index = rings_[suspended_ring].head;
    rotate(suspended_ring);
    const std::uint32_t entry = pop_ready(index, destinations_[index].ready[0].empty());
    entries_[entry].state = EntryState::returned;
    settle_place(index);
    Job job = job_of(entry);
    job.suspended = true;
    jobs.push_back(job);
  }
}

void Scheduler::take_exclusive(std::vector<Job>& jobs) {
  static constexpr unsigned looks_max = 64;
  for (unsigned i = 0; i < looks_max && !exclusive_running_ && !alone_.empty(); ++i) {
    const std::uint32_t index = alone_.front();
    alone_.unlink(entries_, index);
    const Destination& destination = destinations_[entries_[index].destination];
    if (!destination.window.may_start(destination.in_flight)) {
      // Back among the others of its destination, which come forward when that may be tried.
      make_ready(index);
      settle_place(entries_[index].destination);
      continue;
    }
    exclusive_running_ = true;
    jobs.push_back(start(index, true));
  }
}

void Scheduler::take_in_turn(std::size_t room, std::vector<Job>& jobs) {
  while (room > 0) {
    RingKind kind = bulk_next_ ? bulk_ring : prompt_ring;
    if (rings_[kind].head == no_index) kind = kind == bulk_ring ? prompt_ring : bulk_ring;
    const std::uint32_t index = rings_[kind].head;
    if (index == no_index) break;
    bulk_next_ = kind == prompt_ring;
    rotate(kind);
    Destination& destination = destinations_[index];
    bool bulk = destination.ready[0].empty();
    if (!bulk && !destination.ready[1].empty()) bulk = destination.bulk_next;
    destination.bulk_next = !bulk;
    const std::uint32_t entry = pop_ready(index, bulk);
    if (entries_[entry].suspect > 0) {
      entries_[entry].state = EntryState::alone;
      alone_.push_back(entries_, entry);
      settle_place(index);
      continue;
    }
    jobs.push_back(start(entry, false));
    --room;
  }
}

std::vector<Job> Scheduler::take(std::size_t room, SteadyTime now) {
  promote(now);
  std::vector<Job> jobs;
  if (room == 0) return jobs;
  suspended_next_ = !suspended_next_;
  take_suspended(room == 1 ? (suspended_next_ ? 1 : 0) : room / 2, jobs);
  if (jobs.size() < room) take_exclusive(jobs);
  if (jobs.size() < room) take_in_turn(room - jobs.size(), jobs);
  // Suspects met just now need not wait for another event.
  if (jobs.size() < room) take_exclusive(jobs);
  if (jobs.size() < room) take_suspended(room - jobs.size(), jobs);
  return jobs;
}

}  // namespace brevdue::scheduler
