// How the scheduler's two heaps reach keys and positions.
#pragma once

#include <deque>

#include "scheduler/destination.h"
#include "scheduler/entry_table.h"
#include "scheduler/scheduler.h"

namespace brevdue::scheduler {

struct Scheduler::DueAccess {
  EntryTable& entries;

  SteadyTime key(std::uint32_t index) const { return entries[index].due; }
  std::uint32_t& position(std::uint32_t index) const { return entries[index].link_a; }
};

struct Scheduler::WakeAccess {
  std::deque<Destination>& destinations;

  SteadyTime key(std::uint32_t index) const { return destinations[index].wake; }
  std::uint32_t& position(std::uint32_t index) const { return destinations[index].wake_position; }
};

}  // namespace brevdue::scheduler
