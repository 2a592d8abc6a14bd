// Which points of a record to cut at, and what the disk's cache keeps there.
//
// Half of the points lie anywhere, half right before a flush, where most is at stake: what was
// acknowledged meanwhile may only rest on earlier flushes. Repeatable by the seed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/disk/power_cut.h"

namespace brevdue::powerloss {

struct EventTimes {
  std::vector<std::int64_t> times;  // microseconds since the epoch, one an event
  std::vector<std::uint64_t> flushes;
  bool ended = false;  // by a cut or in order, so that nothing follows
};

Result<EventTimes> times_of(const std::string& record);

struct ChosenCut {
  std::uint64_t event;  // so many events have happened
  disk::PowerCut cut;
};

// `sector` 0: the cache keeps nothing, everything, or whole writes; else it tears them. In the
// order of events, from the first that happened at `from` or later.
std::vector<ChosenCut> choose_cuts(const EventTimes& record, std::size_t count, std::int64_t from,
                                   std::uint64_t sector, std::uint64_t seed);

}  // namespace brevdue::powerloss
