// The smallest event loop that a Committer runs on: posted tasks and timers, one thread. It sleeps
// while there is nothing to do, since on few cores a spinning loop would take the writer's.
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "queue/event_loop.h"

namespace brevdue::bench {

class BenchEventLoop final : public queue::EventLoop {
 public:
  void post(Task task) override;
  TimerId run_after(std::chrono::nanoseconds delay, Task task) override;
  void cancel(TimerId timer) override;

  // Waits for something to do and does all that is due.
  void turn();

 private:
  using Time = std::chrono::steady_clock::time_point;

  std::mutex mutex_;
  std::condition_variable posted_something_;
  std::vector<Task> posted_;
  std::map<std::pair<Time, TimerId>, Task> timers_;
  TimerId last_timer_ = 0;
};

}  // namespace brevdue::bench
