// One next hop: what waits for it, what is due, and how much of it may go at once. Owned and kept
// consistent by Scheduler; nothing outside the folder includes this.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "scheduler/concurrency_window.h"
#include "scheduler/entry_table.h"
#include "scheduler/position_heap.h"
#include "scheduler/ready_queue.h"

namespace brevdue::scheduler {

// The rings a destination can be in; it is in the first two only while it may start a job.
enum RingKind : std::uint8_t {
  prompt_ring,     // has due work of senders with little of it
  bulk_ring,       // has due work of senders with much of it, or later slices of large messages
  suspended_ring,  // is dead for good, has due work to give back
  idle_ring,       // has no entries, is remembered for its window
};
inline constexpr std::size_t ring_count = 4;

struct RingLink {
  std::uint32_t before = no_index;
  std::uint32_t after = no_index;
};

struct Destination {
  explicit Destination(const WindowOptions& options) : window(options) {}

  std::string name;
  PositionHeap waiting;
  std::array<ReadyQueue, 2> ready;  // prompt, bulk
  ConcurrencyWindow window;
  SteadyTime wake{};                       // when it needs a look, while it is in the wake heap
  std::uint32_t wake_position = no_index;  // no_index: not in the wake heap
  std::uint32_t entries = 0;
  std::uint32_t in_flight = 0;
  std::array<RingLink, ring_count> links;
  std::uint8_t rings = 0;  // one bit a ring it is in
  bool bulk_next = false;  // whose turn it is where both classes have work
};

}  // namespace brevdue::scheduler
