// qmgr's middle: tells the scheduler what is queued, hands jobs to the delivery processes against
// credit, and turns their outcomes into settlements, discards and DSNs.
//
// A message is settled or discarded once its DSNs are durable. A delivery process that dies with
// jobs in flight makes their messages suspect, durably: their next attempt runs alone in a process,
// and after three they are held. While the store is unavailable no attempt is started. Loop thread
// only.
//
// dispatcher.cc has the way out (jobs), dispatcher_outcomes.cc the way back, dispatcher_operator.cc
// what the operator asks for.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <unordered_map>

#include <boost/asio/io_context.hpp>

#include "core/log.h"
#include "daemon/notices.h"
#include "delivery/job.h"
#include "delivery/outcome.h"
#include "ipc/channel.h"
#include "queue/queue.h"
#include "scheduler/retry_schedule.h"
#include "scheduler/scheduler.h"

namespace brevdue::daemon {

struct DispatcherOptions {
  scheduler::SchedulerOptions scheduler;
  scheduler::RetryOptions retry;
  std::string relay_host;                   // "host:port"; empty: the recipient's domain decides
  std::string hostname;                     // Reporting-MTA of our DSNs
  std::size_t jobs_per_delivery_max = 256;  // the credit of a delivery process
};

class Dispatcher {
 public:
  using Done = std::move_only_function<void(const Result<void>&)>;

  Dispatcher(boost::asio::io_context& loop, queue::EventLoop& events, queue::Queue& queue,
             mail::QueueIdSource ids, const Clock& clock, const Log& log,
             DispatcherOptions options);
  ~Dispatcher();

  void attach(std::uint16_t slot, UniqueFd socket);
  // Takes the retry schedule and the next hop of a reloaded config; windows stay as they are. What
  // is queued goes to the new next hop from its next attempt on.
  void configure(const DispatcherOptions& options);
  // Begins no more attempts; `drained` is called, once, when the last one has ended and what it
  // changed is durable, or cannot become so because the store has failed or has no room.
  void drain(std::function<void()> drained);

  // From the queue.
  void queued(const queue::QueuedMessage& message);
  void set_available(bool available);

  // From the operator. `done` is called when the change is durable.
  void hold(const queue::MessagePtr& message, Done done);
  void release(const queue::MessagePtr& message, Done done);
  void bounce(const queue::MessagePtr& message, Done done);
  void discard(mail::QueueId id, Done done);
  // Due now. busy if it is held.
  Result<void> retry(const queue::QueuedMessage& message);
  // All that waits, or all that waits for a destination, is due now; how many attempts that makes.
  std::size_t flush();
  // Nothing where all mail has one next hop: the recipients' domains are in the envelopes only.
  std::optional<std::size_t> flush(const std::string& destination);
  bool is_active(mail::QueueId id) const { return active_.contains(id); }

 private:
  using Recipients = std::vector<std::uint32_t>;
  struct Attempt {
    scheduler::Job job;
    queue::MessagePtr message;
  };
  struct Link {
    std::unique_ptr<ipc::Channel> channel;
    std::size_t in_flight = 0;
    bool draining = false;         // gets no more jobs, and is let go when the last is done
    bool exclusive = false;        // runs, or waits to run, one suspect message alone
    std::optional<Attempt> alone;  // waits until nothing else is in flight
  };
  struct Flight {
    Attempt attempt;
    std::uint16_t slot = 0;
    Recipients recipients;
    bool handed_over = false;  // the delivery process has it, or may have
  };
  // What an attempt changes: the settlement, and what senders are owed for it.
  struct Conclusion {
    mail::Settlement settlement;
    std::vector<mail::DsnRecipient> owed;
    std::size_t closed = 0;                // recipients that became final
    std::optional<WallTime> next;          // when the rest of the job is due again
    std::optional<std::uint32_t> suspect;  // where the attempt changed it
    bool hold = false;
  };

  void pump_soon();
  void pump();
  std::size_t room() const;
  void arm();
  void schedule(const queue::QueuedMessage& message, const mail::Envelope& envelope,
                SteadyTime due);
  bool goes_to(const mail::Recipient& recipient, std::string_view destination) const;
  void reroute(const Attempt& attempt, const mail::Envelope& envelope);
  // Nothing, and the job is reported, if there is nothing to attempt.
  std::optional<Recipients> wanted_of(const Attempt& attempt);
  void load(const scheduler::Job& job);
  void not_loaded(const scheduler::Job& job, const Error& error);
  void begin(Attempt attempt);
  void begin_alone(std::uint16_t slot);
  void start(std::uint16_t slot, Attempt attempt, Recipients recipients);
  bool in_hand(mail::QueueId id) const;
  void suspend(Attempt attempt, Recipients recipients);
  std::map<std::uint16_t, Link>::iterator choose();
  void hand_over(std::uint64_t attempt, Result<queue::Content> content);
  void on_frame(std::uint16_t slot, std::uint8_t type, std::string_view payload);
  void on_closed(std::uint16_t slot);
  void let_go_if_drained(std::uint16_t slot);
  std::string destination_of(const mail::Recipient& recipient) const;
  Recipients recipients_of(const scheduler::Job& job, const mail::Envelope& envelope,
                           const mail::DeliveryState& state) const;

  Flight take_down(std::uint64_t attempt);
  void land(delivery::Outcome outcome);
  Done counted(Done done);
  void end_if_drained();
  void crashed(const Flight& flight);
  void conclude(const Flight& flight, const delivery::Outcome& outcome);
  void remember_reason(const scheduler::Job& job, const delivery::Outcome& outcome);
  Conclusion weigh(const Flight& flight, const mail::Envelope& envelope,
                   const mail::DeliveryState& state, const delivery::Outcome& outcome);
  void expire(const mail::Envelope& envelope, const delivery::RecipientOutcome& one,
              Conclusion& conclusion) const;
  void notify_delay(const mail::Envelope& envelope, const delivery::Outcome& outcome,
                    Conclusion& conclusion) const;
  mail::Settlement unchanged(const mail::DeliveryState& state) const;
  void write_down(const queue::MessagePtr& message, const mail::Envelope& envelope,
                  Conclusion conclusion, Done done);
  void commit(const queue::MessagePtr& message, Conclusion conclusion,
              std::vector<queue::NewMessage> notices, Done done);
  scheduler::Verdict report(const scheduler::Job& job, scheduler::Outcome outcome,
                            std::optional<WallTime> next);
  void settle_only(mail::QueueId id, mail::Settlement settlement, Done done);

  boost::asio::io_context& loop_;
  queue::EventLoop& events_;
  queue::Queue& queue_;
  const Clock& clock_;
  const Log& log_;
  DispatcherOptions options_;
  NoticeWriter notices_;
  std::mt19937_64 random_;
  scheduler::Scheduler scheduler_;
  scheduler::RetrySchedule retry_;
  std::map<std::uint16_t, Link> links_;
  std::unordered_map<std::uint64_t, Flight> flights_;
  std::unordered_map<mail::QueueId, std::uint32_t> active_;
  std::unordered_map<std::string, std::string> last_reason_;  // by destination that failed
  std::function<void()> drained_;
  std::uint64_t last_attempt_ = 0;
  std::size_t loading_ = 0;  // jobs whose message is on its way into memory
  std::size_t writing_ = 0;  // changes that are not durable yet
  queue::EventLoop::TimerId timer_ = 0;
  bool available_ = true;
  bool pumping_ = false;
  bool draining_ = false;
};

}  // namespace brevdue::daemon
