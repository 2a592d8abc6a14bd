#include "daemon/asio_event_loop.h"

#include <utility>

#include <boost/asio/post.hpp>

namespace brevdue::daemon {

void AsioEventLoop::post(Task task) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    first = posted_.empty();
    posted_.push_back(std::move(task));
  }
  if (first) boost::asio::post(loop_, [this] { run_posted(); });
}

void AsioEventLoop::run_posted() {
  std::vector<Task> tasks;
  {
    const std::lock_guard lock(mutex_);
    tasks.swap(posted_);
  }
  for (Task& task : tasks) task();
}

queue::EventLoop::TimerId AsioEventLoop::run_after(std::chrono::nanoseconds delay, Task task) {
  const TimerId id = ++last_timer_;
  auto [at, inserted] = timers_.try_emplace(id, loop_);
  at->second.expires_after(std::chrono::duration_cast<std::chrono::steady_clock::duration>(delay));
  at->second.async_wait(
      [this, id, task = std::move(task)](boost::system::error_code error) mutable {
        // Its time may have come in the turn of the loop in which it was cancelled.
        if (error || timers_.erase(id) == 0) return;
        task();
      });
  return id;
}

void AsioEventLoop::cancel(TimerId timer) {
  timers_.erase(timer);
}

void AsioEventLoop::watch(int descriptor, Task task) {
  watched_.assign(descriptor);
  when_readable_ = std::move(task);
  ++watch_round_;
  wait_for_watched();
}

void AsioEventLoop::wait_for_watched() {
  watched_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                      [this, round = watch_round_](boost::system::error_code error) {
                        if (error || round != watch_round_) return;
                        when_readable_();
                        if (round == watch_round_) wait_for_watched();
                      });
}

void AsioEventLoop::unwatch() {
  ++watch_round_;
  if (watched_.is_open()) watched_.release();
}

}  // namespace brevdue::daemon
