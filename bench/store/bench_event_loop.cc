#include "bench/store/bench_event_loop.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace brevdue::bench {

namespace {
[[noreturn]] void fail_with(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

timespec as_timespec(std::chrono::nanoseconds time) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time);
  return {seconds.count(), (time - seconds).count()};
}
}  // namespace

BenchEventLoop::BenchEventLoop() : bell_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!bell_) fail_with("eventfd");
}

void BenchEventLoop::post(Task task) {
  bool ring = false;
  {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(task));
    ring = std::exchange(asleep_, false);
  }
  const std::uint64_t one = 1;
  if (ring && ::write(bell_.get(), &one, sizeof one) < 0) fail_with("eventfd");
}

queue::EventLoop::TimerId BenchEventLoop::run_after(std::chrono::nanoseconds delay, Task task) {
  const TimerId id = ++last_timer_;
  timers_.emplace(std::pair(std::chrono::steady_clock::now() + delay, id), std::move(task));
  return id;
}

void BenchEventLoop::cancel(TimerId timer) {
  std::erase_if(timers_, [&](const auto& entry) { return entry.first.second == timer; });
}

void BenchEventLoop::watch(int descriptor, Task task) {
  watched_ = descriptor;
  when_readable_ = std::move(task);
}

// Whether the watched one is readable. Waits for that, for a timer or something posted, unless
// something was.
bool BenchEventLoop::wait_for_descriptors(bool posted) {
  std::array<pollfd, 2> descriptors{pollfd{bell_.get(), POLLIN, 0}, pollfd{watched_, POLLIN, 0}};
  timespec limit{};
  const bool limited = posted || !timers_.empty();
  if (!posted && !timers_.empty()) {
    const auto left = timers_.begin()->first.first - std::chrono::steady_clock::now();
    limit = as_timespec(std::max(std::chrono::nanoseconds(left), std::chrono::nanoseconds(0)));
  }
  if (::ppoll(descriptors.data(), descriptors.size(), limited ? &limit : nullptr, nullptr) < 0 &&
      errno != EINTR) {
    fail_with("ppoll");
  }
  std::uint64_t rung = 0;
  if (descriptors[0].revents != 0 && ::read(bell_.get(), &rung, sizeof rung) < 0) {
    fail_with("eventfd");
  }
  return descriptors[1].revents != 0;
}

void BenchEventLoop::turn() {
  bool posted = false;
  {
    const std::lock_guard lock(mutex_);
    posted = !posted_.empty();
    asleep_ = !posted;
  }
  if (wait_for_descriptors(posted)) when_readable_();
  std::vector<Task> due;
  {
    const std::lock_guard lock(mutex_);
    asleep_ = false;
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
