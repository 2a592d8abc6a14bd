// The moment at which the disk comes to rest, which zeros of new segments wait for.
#include <chrono>
#include <future>
#include <thread>

#include <gtest/gtest.h>

#include "backends/iouring/log_writer.h"
#include "tests/iouring/log_model.h"

namespace brevdue::tests {

namespace {
using namespace std::chrono_literals;

constexpr std::uint32_t segment_size = 128 * 1024;

// A writer in its first segment, whose writes end when the test says so.
class RestTest : public testing::Test {
 protected:
  RestTest() {
    for (int i = 0; i < 4; ++i) {
      const std::uint32_t number = pool_.next_number();
      EXPECT_TRUE(device_->create(number, segment_size, [] { return true; }));
      pool_.add_spare(number);
    }
    EXPECT_TRUE(writer_.begin(nullptr, {}));
    EXPECT_TRUE(writer_.open_first_segment());
    thread_ = std::jthread([this] { writer_.run(); });
    writer_.wait_until_ready();
    disk_.hold_writes();
  }
  ~RestTest() override {
    writer_.stop();
    thread_.join();
  }

  void submit(std::uint64_t number) {
    const mail::QueueId id(number);
    writer_.submit({queue::Enqueue{id, envelope_of(id), content_of(id, 1000)}},
                   [this](const queue::BatchResults&) { answered_.fetch_add(1); });
  }
  std::future<bool> await_rest(std::chrono::nanoseconds at_most) {
    return std::async(std::launch::async, [this, at_most] { return writer_.await_rest(at_most); });
  }

  SimulatedDisk disk_{1};
  std::unique_ptr<backends::LogDevice> device_ = disk_.device();
  backends::SegmentPool pool_{{segment_size, 2, 4, 0}};
  backends::LogWriter writer_{*device_, pool_, segment_size};
  std::atomic<unsigned> answered_ = 0;
  std::jthread thread_;
};

TEST_F(RestTest, WhereNothingIsWrittenItIsNotWaitedForLonger) {
  EXPECT_FALSE(writer_.await_rest(1ms));
}

TEST_F(RestTest, DoesNotComeBeforeTheWriteHasLanded) {
  submit(1);
  disk_.wait_for_writes(1);
  EXPECT_FALSE(writer_.await_rest(10ms));
  disk_.end_write(0);
}

TEST_F(RestTest, ComesWithALandingAndAgainWithALaterOne) {
  std::uint64_t number = 0;
  for (int times = 0; times < 3; ++times) {
    auto rest = await_rest(1min);
    // Who waits may begin to only after some of these.
    while (rest.wait_for(5ms) == std::future_status::timeout) {
      submit(++number);
      disk_.wait_for_writes(1);
      disk_.end_write(0);
    }
    EXPECT_TRUE(rest.get());
    EXPECT_GE(answered_, 1u);
  }
}

}  // namespace

}  // namespace brevdue::tests
