// The batches between the log's writer and its device, up to as many as the device takes at once.
//
// The disk ends their writes in any order; here one counts only when all that were started before
// it have ended well. After the first failure none counts any more, whatever the disk says of it,
// and all are waited for: one that landed later would land in a log that goes on. One thread, but
// for wake().
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <span>
#include <string_view>

#include "backends/iouring/batch_arena.h"
#include "backends/iouring/log_device.h"

namespace brevdue::backends {

class WritesInFlight {
 public:
  // What one write carries at most, unless a single record is larger.
  static constexpr std::uint32_t size_max = 4u << 20;

  struct Landed {
    unsigned writes = 0;               // the oldest ones, durable from now on
    std::chrono::nanoseconds took{0};  // the last of them, by itself
  };

  explicit WritesInFlight(LogDevice& device) : device_(device), arena_(size_max) {}

  // In the thread that calls everything else.
  Result<void> begin();

  bool empty() const { return writes_.empty(); }
  // Memory for a batch, which must be started next; empty while nothing more can be in flight.
  std::span<char> memory_for(std::uint32_t size);
  void start(std::uint64_t sequence, std::uint32_t segment, std::uint32_t offset,
             std::string_view bytes);
  // Waits until one write has ended or wake() is called. On error nothing is in flight any more.
  Result<Landed> await();
  void wake() { device_.wake(); }

 private:
  struct Write {
    std::uint64_t sequence;
    std::chrono::steady_clock::time_point started;
    std::chrono::nanoseconds took{0};
    bool ended = false;
  };

  Write& find(std::uint64_t sequence);
  void abandon();

  LogDevice& device_;
  BatchArena arena_;
  unsigned writes_max_ = 1;
  std::deque<Write> writes_;  // in the order in which they were started
};

}  // namespace brevdue::backends
