// Weeks of a queue under a seeded clock: a scheduler, an owner that does what qmgr does, delivery
// processes that crash, peers that misbehave, restarts and a wall clock that jumps.
//
// Everything random comes from the seed. Broken invariants are collected in `violations`, the first
// hundred of them; the run goes on.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "mail/settlement.h"
#include "scheduler/retry_schedule.h"
#include "scheduler/scheduler.h"

namespace brevdue::scheduler {

enum class PeerKind { healthy, limited, dead, sometimes_down, greylisting, flaky };

struct SimulationOptions {
  std::uint64_t seed = 1;
  unsigned messages = 2000;
  unsigned poison_messages = 3;
  unsigned blast = 1500;  // messages of one sender at one moment to one healthy peer
  bool restarts = true;
  bool process_crashes = true;
  std::chrono::hours clock_jump{0};  // once, after a day
};

class Simulation {
 public:
  explicit Simulation(SimulationOptions options);

  void run(std::chrono::hours length);

  struct Totals {
    std::size_t relayed = 0, failed = 0, expired = 0, open = 0, held = 0;
    std::size_t attempts = 0, duplicates = 0, crashes = 0, restarts = 0, rejected_connections = 0;
    std::size_t accepted_at_limited = 0;
    SteadyTime::duration longest_healthy_wait{};
    SteadyTime::duration shortest_expiry = std::chrono::hours(100'000);
    SteadyTime::duration longest_expiry{};
    bool only_poison_held = true;
  };
  Totals totals() const;
  std::vector<std::string> violations;

 private:
  struct Peer {
    PeerKind kind;
    unsigned limit = 1000;
    unsigned connections = 0;
    SteadyTime down_until{};
    std::map<mail::QueueId, SteadyTime> greylist;
  };
  struct Message {
    mail::QueueId id;
    WallTime arrival;
    SteadyTime true_arrival;
    std::string sender;
    bool poison = false;
    std::map<std::string, std::vector<std::uint32_t>> by_destination;
    std::uint32_t recipients = 0;
    mail::DeliveryState state;  // what the disk says
    std::vector<std::uint8_t> deliveries;
    std::vector<bool> may_repeat;
    std::map<std::pair<std::string, unsigned>, SteadyTime> due;  // by slice
  };
  struct Running {
    Job job;
    std::string destination;
    unsigned process;
    bool connected;
  };

  SteadyTime::duration between(std::chrono::milliseconds least, std::chrono::milliseconds most);
  std::uint64_t dice(std::uint64_t sides) { return random_() % sides; }
  WallTime wall() const;
  void at(SteadyTime time, std::function<void()> event);
  void violation(std::string text);

  void arrange_peers();
  void arrange_mail();
  void arrive(std::string sender, unsigned recipients, bool poison, std::string_view only);
  void schedule(Message& message);
  void pump();
  void arm(std::optional<SteadyTime> time);
  void begin(const Job& job);
  void check_wait(Message& message, const Job& job, const std::string& destination);
  void give_back(const Job& job);
  void finish(std::uint64_t running);
  void end(const Job& job, Outcome outcome, std::vector<mail::RecipientResult> results);
  std::vector<std::uint32_t> open_of(const Message& message, const Job& job,
                                     const std::string& destination) const;
  std::vector<mail::RecipientResult> converse(Message& message, Peer& peer,
                                              const std::vector<std::uint32_t>& open);
  void lose(const Running& running);
  void crash(unsigned process);
  void restart();

  SimulationOptions options_;
  std::mt19937_64 random_;
  RetrySchedule retries_{RetryOptions{}};
  std::unique_ptr<Scheduler> scheduler_;
  SteadyTime now_{std::chrono::hours(1)};
  SteadyTime armed_{};
  std::chrono::microseconds wall_offset_{};
  std::map<std::string, Peer> peers_;
  std::map<mail::QueueId, Message> messages_;
  std::map<std::uint64_t, Running> running_;
  std::uint64_t last_running_ = 0;
  std::uint64_t last_id_ = 0;
  std::uint64_t last_event_ = 0;
  struct Event {
    SteadyTime time;
    std::uint64_t order;
    std::function<void()> run;
    bool operator<(const Event& other) const {
      return std::tie(other.time, other.order) < std::tie(time, order);
    }
  };
  std::priority_queue<Event> events_;
  Totals totals_;
};

}  // namespace brevdue::scheduler
