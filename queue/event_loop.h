// What the queue needs of an event loop, so that the daemon runs it on Asio and the simulation on a
// clock of its own. post() may be called from any thread; the rest only in the loop's thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

namespace brevdue::queue {

class EventLoop {
 public:
  using Task = std::move_only_function<void()>;
  using TimerId = std::uint64_t;  // never 0

  virtual ~EventLoop() = default;
  // Runs `task` in the loop's thread, in the order of the calls.
  virtual void post(Task task) = 0;
  // Runs `task` once after `delay`, unless cancelled first.
  virtual TimerId run_after(std::chrono::nanoseconds delay, Task task) = 0;
  // Harmless for a timer that has run or that is 0.
  virtual void cancel(TimerId timer) = 0;
  // Of a loop that knows descriptors: runs `task` whenever `descriptor` is readable, until
  // unwatch(), which comes before it is closed. One at a time.
  virtual bool can_watch() const { return false; }
  virtual void watch([[maybe_unused]] int descriptor, [[maybe_unused]] Task task) {}
  virtual void unwatch() {}
};

}  // namespace brevdue::queue
