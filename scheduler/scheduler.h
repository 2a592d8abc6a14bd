// Decides which message is attempted next: (state, event, now) -> jobs. Pure: no I/O, no threads,
// and it sees only ids, due times and destinations, so that envelopes need not be in memory.
//
// A job is one slice (at most `slice_recipients`) of the recipients of one message for one
// destination. Recipients are named by position among those of the message for that destination, in
// envelope order, whatever became of them so far; the owner maps positions to indices and leaves
// out the ones that are final. The owner calls take() with the room it has, ends every job with
// report(), and arms one timer at next_due().
//
// Fairness (scheduler/README.md has the whole of it): destinations take turns; within a
// destination senders do; a sender with much due work, and every slice but the first of a large
// message, travel in a second class that gets every other job at most.
//
// Times are steady. All calls are O(log n) but flush, hold, release, retry and remove, which are
// linear in what they touch, and take(), which is bounded by `promotions_max` and its result.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/clock.h"
#include "core/error.h"
#include "mail/queue_id.h"
#include "scheduler/destination.h"
#include "scheduler/entry_table.h"
#include "scheduler/position_heap.h"

namespace brevdue::scheduler {

enum class DestinationId : std::uint32_t {};

struct SchedulerOptions {
  WindowOptions window;
  std::uint16_t slice_recipients = 100;
  std::uint8_t suspect_max = 3;        // crashes after which a message is to be held
  std::uint32_t bulk_threshold = 100;  // due jobs of one sender above which it is bulk
  std::uint32_t promotions_max = 4096;
  std::uint32_t idle_destinations_max = 10'000;
};

struct Addition {
  mail::QueueId message;
  std::string_view destination;  // the next hop; names are compared as they are
  std::uint32_t first = 0;       // positions [first, first + count); at most 65,535
  std::uint32_t count = 1;
  SteadyTime due{};
  std::string_view reverse_path = {};  // for fairness between senders
  std::uint32_t attempts = 0;          // Settlement::attempts
  std::uint32_t suspect = 0;           // Settlement::suspect
  bool held = false;
};

struct Job {
  mail::QueueId message;
  DestinationId destination;  // valid until the job is reported
  std::uint32_t entry;        // the scheduler's own
  std::uint16_t first;
  std::uint16_t count;
  // That ended before this one, for this slice; Settlement::attempts is the most of its slices.
  std::uint16_t attempts;
  // Its message was in flight when a delivery process crashed: it must run alone in a process.
  bool exclusive = false;
  // No attempt of its own: the destination is dead, and this job's time has come. The owner treats
  // it as deferred with the reason the destination last gave (or expires it) and reports that.
  bool suspended = false;
};

enum class Outcome : std::uint8_t {
  answered,            // the destination greeted us, whatever it then said about the message
  destination_failed,  // no connection or no greeting; nothing was tried (and suspended jobs)
  crashed,             // the delivery process died; who knows what was tried
  untried,             // given back for a reason of ours; the destination learns nothing from it
};

struct Verdict {
  bool destination_died = false;
  bool hold = false;  // crashed once too often: the owner holds the message, durably
  // The message's new Settlement::suspect, where this report changed it.
  std::optional<std::uint32_t> suspect;
};

class Scheduler {
 public:
  // `random` must outlive the scheduler.
  Scheduler(SchedulerOptions options, std::mt19937_64& random);

  // `overloaded` if 2^32 - 1 entries are in use, `invalid_argument` if the positions are out of
  // range; nothing is added then.
  Result<void> add(const Addition& addition);
  // Forgets a message; jobs under way still have to be reported.
  void remove(mail::QueueId message);
  // Jobs under way end as they do; what they defer is held. False if there is no such message.
  bool hold(mail::QueueId message);
  bool release(mail::QueueId message, SteadyTime now);
  // Due now, and its destinations are probed if dead. Held messages stay held.
  bool retry(mail::QueueId message, SteadyTime now);
  // The same for all that waits, or all that waits for one destination; how many entries.
  std::size_t flush(SteadyTime now);
  std::size_t flush(std::string_view destination, SteadyTime now);

  // At most `room` jobs that are allowed now; suspended ones get half of the room where both kinds
  // wait.
  std::vector<Job> take(std::size_t room, SteadyTime now);
  // Ends a job. `next` is when its slice is due again; nothing if every recipient in it is final.
  Verdict report(const Job& job, Outcome outcome, std::optional<SteadyTime> next, SteadyTime now);

  // When take() must be called again although nothing was reported; may be in the past.
  std::optional<SteadyTime> next_due() const;

  // The earliest due time of what is left of a message.
  std::optional<SteadyTime> due_of(mail::QueueId message) const;
  std::string_view name_of(DestinationId destination) const;
  std::size_t entry_count() const { return entries_.size(); }
  std::size_t destination_count() const { return by_name_.size(); }
  std::size_t in_flight() const { return in_flight_; }

  struct DestinationState {
    std::size_t waiting;
    std::size_t due;
    std::uint32_t in_flight;
    std::uint32_t window;  // 0: dead
  };
  std::optional<DestinationState> state_of(std::string_view destination) const;

 private:
  struct DueAccess;
  struct WakeAccess;
  struct Ring {
    std::uint32_t head = no_index;
    std::uint32_t tail = no_index;
    std::uint32_t size = 0;
  };
  static constexpr std::size_t sender_counters = 8192;

  std::uint32_t intern(std::string_view name);
  void forget(std::uint32_t destination);
  void forget_idle();
  // Puts a destination into the rings and the wake heap where its state says it belongs.
  void settle_place(std::uint32_t destination);
  void wake_at(std::uint32_t destination, std::optional<SteadyTime> time);
  std::optional<SteadyTime> wake_time(const Destination& destination) const;
  void set_ring(std::uint32_t destination, RingKind kind, bool in);
  void rotate(RingKind kind);

  // Slices but the first of a large message are bulk whoever sent it, and do not make its sender's
  // other messages so.
  bool later_slice(const Entry& entry) const { return entry.first >= options_.slice_recipients; }
  std::uint32_t& due_of_sender(std::uint16_t sender) {
    return due_of_sender_[sender % sender_counters];
  }
  void wait(std::uint32_t entry);
  void make_ready(std::uint32_t entry);
  std::uint32_t pop_ready(std::uint32_t destination, bool bulk);
  // Takes an entry out of whatever holds it.
  void detach(std::uint32_t entry);
  void erase(std::uint32_t entry);
  std::uint32_t promote_some(std::uint32_t destination, SteadyTime now, std::uint32_t budget);
  void promote(SteadyTime now);

  void take_suspended(std::size_t room, std::vector<Job>& jobs);
  void take_exclusive(std::vector<Job>& jobs);
  void take_in_turn(std::size_t room, std::vector<Job>& jobs);
  Job start(std::uint32_t entry, bool exclusive);
  Job job_of(std::uint32_t entry) const;
  std::size_t flush_one(std::uint32_t destination, SteadyTime now);
  void feed_back(Destination& destination, Outcome outcome, SteadyTime now);
  std::optional<std::uint32_t> suspicion_of(mail::QueueId message) const;

  SchedulerOptions options_;
  std::mt19937_64& random_;
  EntryTable entries_;
  std::deque<Destination> destinations_;
  std::vector<std::uint32_t> free_destinations_;
  std::unordered_map<std::string_view, std::uint32_t> by_name_;  // views of Destination::name
  PositionHeap wakes_;
  std::array<Ring, ring_count> rings_;
  std::vector<std::uint32_t> due_of_sender_;  // due jobs, by hash of the sender
  EntryList alone_;
  std::size_t in_flight_ = 0;
  bool exclusive_running_ = false;
  bool bulk_next_ = false;
  bool suspended_next_ = false;
};

}  // namespace brevdue::scheduler
