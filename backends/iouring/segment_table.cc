#include "backends/iouring/segment_table.h"

#include <algorithm>
#include <utility>

#include "core/error.h"

namespace brevdue::backends {

Segment& SegmentTable::add(Segment segment) {
  const Generation generation = segment.header.generation;
  const auto [at, is_new] = segments_.emplace(generation, std::move(segment));
  BREVDUE_ASSERT(is_new);
  return at->second;
}

Segment* SegmentTable::find(Generation generation) {
  const auto at = segments_.find(generation);
  return at == segments_.end() ? nullptr : &at->second;
}

bool SegmentTable::is_live(RecordPlace place) const {
  const auto at = segments_.find(place.generation);
  return at != segments_.end() && at->second.live.contains(place.offset);
}

void SegmentTable::discard(RecordPlace place) {
  if (Segment* segment = find(place.generation)) segment->live.remove(place.offset);
}

void SegmentTable::note_tombstone(Generation holder, Generation target) {
  if (Segment* segment = find(holder)) segment->tombstones_of.insert(target);
}

void SegmentTable::note_settlement(Generation holder, Generation target) {
  if (Segment* segment = find(holder)) segment->settlements_of.insert(target);
}

// The segment itself does not count: it goes with its records.
bool SegmentTable::speaks_of_the_living(const std::set<Generation>& targets) const {
  return std::ranges::any_of(targets,
                             [&](Generation target) { return segments_.contains(target); });
}

std::vector<SegmentTable::Generation> SegmentTable::free() const {
  std::vector<Generation> found;
  if (!scanned_) return found;
  for (const auto& [generation, segment] : segments_) {
    if (!segment.closed || segment.kept || segment.live.size() > 0) continue;
    auto others = segment.tombstones_of;
    others.insert(segment.settlements_of.begin(), segment.settlements_of.end());
    others.erase(generation);
    if (!speaks_of_the_living(others)) found.push_back(generation);
  }
  return found;
}

void SegmentTable::remove(Generation generation) {
  segments_.erase(generation);
}

std::size_t SegmentTable::pinned() const {
  if (!scanned_) return 0;
  const auto empty = static_cast<std::size_t>(std::ranges::count_if(segments_, [](const auto& at) {
    return at.second.closed && !at.second.kept && at.second.live.size() == 0;
  }));
  return empty - free().size();
}

std::size_t SegmentTable::occupied() const {
  return static_cast<std::size_t>(std::ranges::count_if(
      segments_, [](const auto& at) { return at.second.closed && at.second.live.size() > 0; }));
}

SegmentTable::Generation SegmentTable::newest_closed() const {
  Generation newest = 0;
  for (const auto& [generation, segment] : segments_) {
    if (segment.closed) newest = generation;
  }
  return newest;
}

void SegmentTable::forget_records(Generation through) {
  for (auto& [generation, segment] : segments_) {
    if (generation > through || !segment.closed) continue;
    segment.tombstones_of.clear();
    segment.settlements_of.clear();
  }
}

}  // namespace brevdue::backends
