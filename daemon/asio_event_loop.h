// queue::EventLoop on an Asio io_context. Tasks posted from other threads between two turns of the
// loop run together, so that a busy store wakes the loop once.
#pragma once

#include <mutex>
#include <unordered_map>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "queue/event_loop.h"

namespace brevdue::daemon {

class AsioEventLoop final : public queue::EventLoop {
 public:
  explicit AsioEventLoop(boost::asio::io_context& loop) : loop_(loop) {}

  void post(Task task) override;
  TimerId run_after(std::chrono::nanoseconds delay, Task task) override;
  void cancel(TimerId timer) override;
  bool can_watch() const override { return true; }
  void watch(int descriptor, Task task) override;
  void unwatch() override;

 private:
  void run_posted();
  void wait_for_watched();

  boost::asio::io_context& loop_;
  std::mutex mutex_;
  std::vector<Task> posted_;
  TimerId last_timer_ = 0;
  std::unordered_map<TimerId, boost::asio::steady_timer> timers_;
  boost::asio::posix::stream_descriptor watched_{loop_};
  Task when_readable_;
  unsigned watch_round_ = 0;  // of what is watched now
};

}  // namespace brevdue::daemon
