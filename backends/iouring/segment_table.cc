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

// What it says about itself goes with it.
template <class Gone>
bool SegmentTable::is_free(const Segment& segment, Gone gone) const {
  if (!segment.closed || segment.kept || segment.live.size() > 0) return false;
  const auto does_not_matter = [&](Generation target) {
    return target == segment.header.generation || !segments_.contains(target) || gone(target);
  };
  return std::ranges::all_of(segment.tombstones_of, does_not_matter) &&
         std::ranges::all_of(segment.settlements_of, does_not_matter);
}

std::vector<SegmentTable::Generation> SegmentTable::free() const {
  std::vector<Generation> found;
  if (!scanned_) return found;
  for (const auto& [generation, segment] : segments_) {
    if (is_free(segment, [](Generation) { return false; })) found.push_back(generation);
  }
  return found;
}

// Segments speak of older ones only: one pass from the oldest is enough.
std::size_t SegmentTable::reclaimable() const {
  std::set<Generation> gone;
  if (!scanned_) return 0;
  for (const auto& [generation, segment] : segments_) {
    if (is_free(segment, [&](Generation target) { return gone.contains(target); })) {
      gone.insert(generation);
    }
  }
  return gone.size();
}

void SegmentTable::remove(Generation generation) {
  segments_.erase(generation);
}

std::size_t SegmentTable::pinned() const {
  if (!scanned_) return 0;
  const auto empty = static_cast<std::size_t>(std::ranges::count_if(segments_, [](const auto& at) {
    return at.second.closed && !at.second.kept && at.second.live.size() == 0;
  }));
  return empty - reclaimable();
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
