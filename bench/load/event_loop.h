// One thread's epoll loop with one timer a handler.
//
// After every round of events the loop calls `end_of_round`: what the round gathered (book lines,
// replies) is put out there in one go. A handler that wants to go away is buried: it is destroyed
// after the round, since events for it may already have been fetched.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "core/clock.h"
#include "core/error.h"
#include "core/unique_fd.h"

namespace brevdue::load {

class EventHandler {
 public:
  virtual ~EventHandler() = default;
  // Events as epoll reports them. May still be called once in the round in which the handler closed
  // its descriptor or was buried.
  virtual void on_events(std::uint32_t events) = 0;
  virtual void on_timer() {}

 private:
  friend class EventLoop;
  SteadyTime due_{};
  bool has_timer_ = false;
};

class EventLoop {
 public:
  Result<void> open();

  Result<void> add(int fd, std::uint32_t events, EventHandler* handler);
  Result<void> modify(int fd, std::uint32_t events, EventHandler* handler);

  // Replaces the handler's earlier timer.
  void set_timer(EventHandler* handler, SteadyTime due);
  void cancel_timer(EventHandler* handler);
  void bury(std::unique_ptr<EventHandler> handler);

  // Until stop, or until end_of_round fails.
  Result<void> run(const std::function<Result<void>()>& end_of_round);
  // From any thread and from signal handlers.
  void stop();

 private:
  int next_timeout() const;
  void fire_timers();

  UniqueFd epoll_;
  UniqueFd stop_;
  bool stopped_ = false;
  std::set<std::pair<SteadyTime, EventHandler*>> timers_;
  std::vector<std::unique_ptr<EventHandler>> buried_;
};

// Turns signals that are blocked in every thread into calls in the loop.
class SignalWatch final : public EventHandler {
 public:
  Result<void> open(EventLoop& loop, const std::vector<int>& signals,
                    std::function<void(int)> on_signal);
  void on_events(std::uint32_t events) override;

 private:
  UniqueFd fd_;
  std::function<void(int)> on_signal_;
};

// As many descriptors as the hard limit allows: a thousand connections need them.
void raise_descriptor_limit();

}  // namespace brevdue::load
