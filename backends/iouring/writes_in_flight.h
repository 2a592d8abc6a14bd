// The batches between the log's writer and its device, up to as many as the device takes at once.
//
// The disk ends their writes in any order; here one counts only when all that were started before
// it have ended well. After the first failure none counts any more, whatever the disk says of it,
// and all are waited for: one that landed later would land in a log that goes on.
//
// One thread at a time, but for wake(): that which called begin(), or after attend(true) that which
// called begin_attended().
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string_view>

#include "backends/iouring/batch_arena.h"
#include "backends/iouring/depth_choice.h"
#include "backends/iouring/log_device.h"

namespace brevdue::backends {

class WritesInFlight {
 public:
  // What one write carries at most, unless a single record is larger.
  static constexpr std::uint32_t size_max = 4u << 20;

  explicit WritesInFlight(LogDevice& device) : device_(device), arena_(size_max) {}

  // In the thread that calls everything else.
  Result<void> begin();

  // A descriptor that is readable when poll() may land something; nothing where the device has
  // none.
  std::optional<int> begin_attended();
  // Whose turn it is; only while nothing is in flight.
  void attend(bool attended);

  bool empty() const { return writes_.empty(); }
  // Memory for a batch, which must be started next; empty while nothing more can be in flight.
  std::span<char> memory_for(std::uint32_t size);
  // False: poll() has something already, and the descriptor may not say so.
  bool start(std::uint64_t sequence, std::uint32_t segment, std::uint32_t offset,
             std::string_view bytes);
  // Waits until one write has ended or wake() is called. On error nothing is in flight any more.
  // Else: how many of the oldest are durable from now on.
  Result<unsigned> await();
  // The same without waiting; nothing if none has ended.
  std::optional<Result<unsigned>> poll();
  // Whether memory_for() would have some.
  bool has_memory_for(std::uint32_t size) const {
    return writes_.size() < writes_max() && arena_.has_room_for(size);
  }
  void wake() { device_.wake(); }
  // How many are wanted at once; any thread.
  unsigned depth() const { return choice_.depth(); }

 private:
  struct Write {
    std::uint64_t sequence;
    std::chrono::steady_clock::time_point started;
    std::size_t in_flight;  // when it was started, with it
    bool ended = false;
  };

  unsigned writes_max() const { return attended_ ? attended_max_ : own_max_; }
  Write& find(std::uint64_t sequence);
  Result<unsigned> note(EndedWrite ended);
  void abandon();

  LogDevice& device_;
  BatchArena arena_;
  unsigned own_max_ = 1;
  unsigned attended_max_ = 1;
  bool attended_ = false;
  DepthChoice choice_;
  std::deque<Write> writes_;  // in the order in which they were started
};

}  // namespace brevdue::backends
