#include "bench/store/bench_event_loop.h"

#include <algorithm>

namespace brevdue::bench {

void BenchEventLoop::post(Task task) {
  {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(task));
  }
  posted_something_.notify_one();
}

queue::EventLoop::TimerId BenchEventLoop::run_after(std::chrono::nanoseconds delay, Task task) {
  const TimerId id = ++last_timer_;
  timers_.emplace(std::pair(std::chrono::steady_clock::now() + delay, id), std::move(task));
  return id;
}

void BenchEventLoop::cancel(TimerId timer) {
  std::erase_if(timers_, [&](const auto& entry) { return entry.first.second == timer; });
}

void BenchEventLoop::turn() {
  std::vector<Task> due;
  {
    std::unique_lock lock(mutex_);
    const auto something = [&] { return !posted_.empty(); };
    if (timers_.empty()) {
      posted_something_.wait(lock, something);
    } else {
      posted_something_.wait_until(lock, timers_.begin()->first.first, something);
    }
    due.swap(posted_);
  }
  const Time now = std::chrono::steady_clock::now();
  while (!timers_.empty() && timers_.begin()->first.first <= now) {
    due.push_back(std::move(timers_.begin()->second));
    timers_.erase(timers_.begin());
  }
  for (Task& task : due) task();
}

}  // namespace brevdue::bench
