// The smallest event loop that a Committer runs on: posted tasks, timers and one descriptor, one
// thread. It sleeps while there is nothing to do, since on few cores a spinning loop would take the
// writer's.
#pragma once

#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "core/unique_fd.h"
#include "queue/event_loop.h"

namespace brevdue::bench {

class BenchEventLoop final : public queue::EventLoop {
 public:
  // Throws std::system_error.
  BenchEventLoop();

  void post(Task task) override;
  TimerId run_after(std::chrono::nanoseconds delay, Task task) override;
  void cancel(TimerId timer) override;
  bool can_watch() const override { return true; }
  void watch(int descriptor, Task task) override;
  void unwatch() override { watched_ = -1; }

  // Waits for something to do and does all that is due.
  void turn();

 private:
  using Time = std::chrono::steady_clock::time_point;

  bool wait_for_descriptors(bool posted);

  std::mutex mutex_;  // guards posted_ and asleep_
  std::vector<Task> posted_;
  bool asleep_ = false;
  UniqueFd bell_;  // an eventfd: something was posted while it slept
  int watched_ = -1;
  Task when_readable_;
  std::map<std::pair<Time, TimerId>, Task> timers_;
  TimerId last_timer_ = 0;
};

}  // namespace brevdue::bench
