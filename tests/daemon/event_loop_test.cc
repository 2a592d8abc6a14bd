// queue::EventLoop as Asio does it.
#include <thread>

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/unique_fd.h"
#include "daemon/asio_event_loop.h"
#include "tests/daemon/loop_runner.h"

namespace brevdue::tests {
namespace {

using namespace std::chrono_literals;

TEST(AsioEventLoop, RunsWhatIsPostedInItsOrder) {
  boost::asio::io_context loop(1);
  daemon::AsioEventLoop events(loop);
  std::vector<int> ran;
  for (int i = 0; i < 100; ++i) {
    events.post([&, i] {
      ran.push_back(i);
      if (i == 0) events.post([&] { ran.push_back(100); });
    });
  }
  ASSERT_TRUE(run_until(loop, [&] { return ran.size() == 101; }));
  for (int i = 0; i < 101; ++i) EXPECT_EQ(ran[static_cast<std::size_t>(i)], i);
}

TEST(AsioEventLoop, TakesPostsFromOtherThreads) {
  boost::asio::io_context loop(1);
  daemon::AsioEventLoop events(loop);
  int ran = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 1000; ++n) events.post([&] { ++ran; });
    });
  }
  EXPECT_TRUE(run_until(loop, [&] { return ran == 4000; }));
  for (std::thread& thread : threads) thread.join();
}

TEST(AsioEventLoop, RunsTheTaskWheneverTheDescriptorIsReadable) {
  boost::asio::io_context loop(1);
  daemon::AsioEventLoop events(loop);
  const UniqueFd bell(::eventfd(0, EFD_CLOEXEC));
  std::uint64_t rung = 0;
  ASSERT_TRUE(events.can_watch());
  events.watch(bell.get(), [&] {
    std::uint64_t count = 0;
    ASSERT_EQ(::read(bell.get(), &count, sizeof count), sizeof count);
    rung += count;
  });
  run_all(loop);
  EXPECT_EQ(rung, 0u);
  const std::uint64_t one = 1;
  for (std::uint64_t times = 1; times <= 3; ++times) {
    ASSERT_EQ(::write(bell.get(), &one, sizeof one), sizeof one);
    ASSERT_TRUE(run_until(loop, [&] { return rung == times; }));
  }
  events.unwatch();
}

// As when a store is given up and another takes its place.
TEST(AsioEventLoop, WhatIsWatchedNoMoreStaysOpenAndRunsNothing) {
  boost::asio::io_context loop(1);
  daemon::AsioEventLoop events(loop);
  const UniqueFd old_bell(::eventfd(1, EFD_CLOEXEC));
  const UniqueFd bell(::eventfd(1, EFD_CLOEXEC));
  unsigned old_ran = 0;
  unsigned ran = 0;
  events.watch(old_bell.get(), [&] { ++old_ran; });
  events.unwatch();
  events.watch(bell.get(), [&] {
    ++ran;
    events.unwatch();
  });
  ASSERT_TRUE(run_until(loop, [&] { return ran == 1; }));
  run_all(loop);
  EXPECT_EQ(ran, 1u) << "it is readable still";
  EXPECT_EQ(old_ran, 0u);
  events.unwatch();
  for (const UniqueFd* each : {&old_bell, &bell}) {
    std::uint64_t count = 0;
    EXPECT_EQ(::read(each->get(), &count, sizeof count), sizeof count) << "not closed";
  }
}

TEST(AsioEventLoop, ACancelledTimerNeverRuns) {
  boost::asio::io_context loop(1);
  daemon::AsioEventLoop events(loop);
  int ran = 0;
  queue::EventLoop::TimerId second = 0;
  // Both are due in the same turn of the loop: the first takes the second back.
  events.run_after(0ns, [&] {
    ++ran;
    events.cancel(second);
  });
  second = events.run_after(0ns, [&] { ran += 100; });
  bool last = false;
  events.run_after(1ms, [&] { last = true; });
  std::this_thread::yield();
  ASSERT_TRUE(run_until(loop, [&] { return last; }));
  EXPECT_EQ(ran, 1);
  events.cancel(0);
  events.cancel(second);
}

TEST(AsioEventLoop, EndsWithTimersAndTasksOpen) {
  const auto kept = std::make_shared<int>(0);
  {
    boost::asio::io_context loop(1);
    daemon::AsioEventLoop events(loop);
    events.post([kept] { ++*kept; });
    events.run_after(1h, [kept] { ++*kept; });
  }
  EXPECT_EQ(*kept, 0);
  EXPECT_EQ(kept.use_count(), 1);
}

}  // namespace
}  // namespace brevdue::tests
