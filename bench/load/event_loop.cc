#include "bench/load/event_loop.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace brevdue::load {

Result<void> EventLoop::open() {
  epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_) return fail_os(errno, "epoll_create1");
  stop_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop_) return fail_os(errno, "eventfd");
  return add(stop_.get(), EPOLLIN, nullptr);
}

Result<void> EventLoop::add(int fd, std::uint32_t events, EventHandler* handler) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = handler;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return fail_os(errno, "epoll_ctl");
  return {};
}

Result<void> EventLoop::modify(int fd, std::uint32_t events, EventHandler* handler) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = handler;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) != 0) return fail_os(errno, "epoll_ctl");
  return {};
}

void EventLoop::set_timer(EventHandler* handler, SteadyTime due) {
  cancel_timer(handler);
  handler->due_ = due;
  handler->has_timer_ = true;
  timers_.emplace(due, handler);
}

void EventLoop::cancel_timer(EventHandler* handler) {
  if (!handler->has_timer_) return;
  timers_.erase({handler->due_, handler});
  handler->has_timer_ = false;
}

void EventLoop::bury(std::unique_ptr<EventHandler> handler) {
  cancel_timer(handler.get());
  buried_.push_back(std::move(handler));
}

Result<void> EventLoop::run(const std::function<Result<void>()>& end_of_round) {
  std::array<epoll_event, 512> events;
  while (!stopped_) {
    const int count =
        ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), next_timeout());
    if (count < 0 && errno != EINTR) return fail_os(errno, "epoll_wait");
    for (std::size_t i = 0; count > 0 && i < static_cast<std::size_t>(count); ++i) {
      if (events[i].data.ptr == nullptr) {
        stopped_ = true;
      } else {
        static_cast<EventHandler*>(events[i].data.ptr)->on_events(events[i].events);
      }
    }
    fire_timers();
    if (auto ended = end_of_round(); !ended) return ended;
    buried_.clear();
  }
  return {};
}

void EventLoop::stop() {
  // The counter cannot overflow before the loop reads it, so this write cannot fail.
  static_cast<void>(::eventfd_write(stop_.get(), 1));
}

int EventLoop::next_timeout() const {
  if (timers_.empty()) return -1;
  const auto left = timers_.begin()->first - std::chrono::steady_clock::now();
  if (left <= left.zero()) return 0;
  const auto whole = std::chrono::ceil<std::chrono::milliseconds>(left).count();
  return static_cast<int>(std::min<std::int64_t>(whole, 60'000));
}

void EventLoop::fire_timers() {
  if (timers_.empty()) return;
  const auto now = std::chrono::steady_clock::now();
  while (!timers_.empty() && timers_.begin()->first <= now) {
    EventHandler* handler = timers_.begin()->second;
    cancel_timer(handler);
    handler->on_timer();
  }
}

Result<void> SignalWatch::open(EventLoop& loop, const std::vector<int>& signals,
                               std::function<void(int)> on_signal) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : signals) sigaddset(&set, signal);
  if (const int code = ::pthread_sigmask(SIG_BLOCK, &set, nullptr); code != 0) {
    return fail_os(code, "pthread_sigmask");
  }
  fd_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd_) return fail_os(errno, "signalfd");
  on_signal_ = std::move(on_signal);
  return loop.add(fd_.get(), EPOLLIN, this);
}

void SignalWatch::on_events(std::uint32_t) {
  signalfd_siginfo info{};
  while (::read(fd_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    on_signal_(static_cast<int>(info.ssi_signo));
  }
}

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  // With a lower limit fewer connections can be opened, and opening them says so.
  static_cast<void>(::setrlimit(RLIMIT_NOFILE, &limit));
}

}  // namespace brevdue::load
