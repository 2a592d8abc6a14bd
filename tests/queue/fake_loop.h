// A clock that stands still until it is moved, and an event loop on it that the test runs.
//
// post() may be called from any thread, as from a staging or recovery thread under test; everything
// else is for the test's thread. Nothing here sleeps: advance() jumps from timer to timer, and
// wait_until() blocks until another thread has posted.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <utility>

#include "core/clock.h"
#include "queue/event_loop.h"

namespace brevdue::tests {

class FakeClock final : public Clock {
 public:
  WallTime wall() const override { return WallTime(std::chrono::years(50)) + in_micros(); }
  SteadyTime steady() const override { return SteadyTime(now_); }
  std::chrono::nanoseconds elapsed() const { return now_; }
  void move_to(std::chrono::nanoseconds now) { now_ = now; }

 private:
  std::chrono::microseconds in_micros() const {
    return std::chrono::duration_cast<std::chrono::microseconds>(now_);
  }
  std::chrono::nanoseconds now_{std::chrono::hours(1)};
};

class FakeLoop final : public queue::EventLoop {
 public:
  explicit FakeLoop(FakeClock& clock) : clock_(clock) {}

  void post(Task task) override {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(task));
    wake_.notify_one();
  }

  TimerId run_after(std::chrono::nanoseconds delay, Task task) override {
    const TimerId id = ++last_timer_;
    timers_.emplace(std::pair(clock_.elapsed() + delay, id), std::move(task));
    return id;
  }

  void cancel(TimerId timer) override {
    std::erase_if(timers_, [&](const auto& entry) { return entry.first.second == timer; });
  }

  // What is posted, and what that posts, until nothing is left.
  void run_posted() {
    while (Task task = next()) {
      task();
      if (after_each_task) after_each_task();
    }
  }

  // Lets `by` pass, running what is posted and due on the way.
  void advance(std::chrono::nanoseconds by) {
    const auto end = clock_.elapsed() + by;
    run_posted();
    while (!timers_.empty() && timers_.begin()->first.first <= end) {
      auto node = timers_.extract(timers_.begin());
      clock_.move_to(std::max(clock_.elapsed(), node.key().first));
      node.mapped()();
      run_posted();
    }
    clock_.move_to(end);
  }

  // Runs what other threads post until `holds`; for what must come, or the test times out.
  void wait_until(const std::function<bool()>& holds) {
    run_posted();
    while (!holds()) {
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return !posted_.empty(); });
      }
      run_posted();
    }
  }

  std::function<void()> after_each_task;

  // How many tasks wait to be run.
  std::size_t posted() {
    const std::lock_guard lock(mutex_);
    return posted_.size();
  }
  std::size_t timers() const { return timers_.size(); }
  // How long until the next timer; there must be one.
  std::chrono::nanoseconds next_delay() const {
    return timers_.begin()->first.first - clock_.elapsed();
  }

 private:
  Task next() {
    const std::lock_guard lock(mutex_);
    if (posted_.empty()) return nullptr;
    Task task = std::move(posted_.front());
    posted_.pop_front();
    return task;
  }

  FakeClock& clock_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Task> posted_;
  TimerId last_timer_ = 0;
  std::map<std::pair<std::chrono::nanoseconds, TimerId>, Task> timers_;
};

}  // namespace brevdue::tests
