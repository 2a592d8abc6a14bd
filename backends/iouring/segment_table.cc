#include "backends/iouring/segment_table.h"

#include <algorithm>
#include <utility>

#include "core/error.h"

namespace brevdue::backends {

// Segments' worth of dead bytes that are not worth the writing of what lives between them.
static constexpr std::uint64_t sparse_allowed = 4;

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

LogLocation SegmentTable::now(LogLocation location) const {
  location.place = relocations_.now(location.place);
  return location;
}

void SegmentTable::discard(RecordPlace place, std::uint32_t size) {
  Segment* segment = find(place.generation);
  if (segment != nullptr && segment->live.remove(place.offset)) segment->live_bytes -= size;
  relocations_.forget(place);
}

void SegmentTable::moved(RecordPlace from, RecordPlace to, std::uint32_t size) {
  Segment* segment = find(from.generation);
  BREVDUE_ASSERT(segment != nullptr);
  const bool lived = segment->live.remove(from.offset);
  BREVDUE_ASSERT(lived);
  segment->live_bytes -= size;
  relocations_.moved(from, to);
}

void SegmentTable::note_tombstone(Generation holder, Generation target) {
  if (Segment* segment = find(holder)) segment->tombstones_of.insert(target);
}

void SegmentTable::note_settlement(RecordPlace record, RecordPlace target) {
  if (Segment* holder = find(record.generation)) holder->settlements_of.insert(target.generation);
  if (Segment* segment = find(target.generation)) segment->live.settle(target.offset, record);
  if (watched_.contains(target.generation)) settled_.insert(target);
}

void SegmentTable::note_checkpointed(RecordPlace record, RecordPlace target, Generation through) {
  const auto latest = latest_settlement(target);
  if (!latest || latest->generation <= through) return note_settlement(record, target);
  if (Segment* holder = find(record.generation)) holder->settlements_of.insert(target.generation);
}

std::optional<RecordPlace> SegmentTable::latest_settlement(RecordPlace message) const {
  const auto at = segments_.find(message.generation);
  if (at == segments_.end()) return std::nullopt;
  return at->second.live.settlement(message.offset);
}

void SegmentTable::watch(const std::vector<Generation>& generations) {
  watched_ = {generations.begin(), generations.end()};
  settled_.clear();
}

void SegmentTable::end_watch() {
  watched_.clear();
  settled_.clear();
}

template <class Gone>
bool SegmentTable::is_free(const Segment& segment, Gone gone) const {
  if (!segment.closed || segment.kept || segment.live.size() > 0) return false;
#ifdef BREVDUE_MUTANT_IOURING_EARLY_REUSE
  return true;
#endif
  return speaks_of_nothing(segment, gone);
}

// What it says about itself goes with it.
template <class Gone>
bool SegmentTable::speaks_of_nothing(const Segment& segment, Gone gone) const {
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

// While room is tight, only segments that are free once they are empty: anything else would take
// room and give none.
std::vector<SegmentTable::Generation> SegmentTable::sparse(bool tight) const {
  std::vector<const Segment*> candidates;
  std::uint64_t live = 0;
  std::uint64_t capacity = 0;
  std::uint64_t segment_capacity = 0;
  for (const auto& [generation, segment] : segments_) {
    if (!segment.closed || segment.kept || segment.live.size() == 0) continue;
    segment_capacity = std::max<std::uint64_t>(segment_capacity, segment.header.capacity());
    live += segment.live_bytes;
    capacity += segment.header.capacity();
    const bool helps = !tight || speaks_of_nothing(segment, [](Generation) { return false; });
    if (helps && segment.live_bytes <= segment.header.capacity() / 2) {
      candidates.push_back(&segment);
    }
  }
  std::vector<Generation> found;
  const std::uint64_t dead = capacity - std::min(live, capacity);
  const std::uint64_t allowed = tight ? segment_capacity : live + sparse_allowed * segment_capacity;
  if (!scanned_ || dead <= allowed) return found;
  const std::uint64_t aim =
      tight ? segment_capacity / 2 : live / 2 + sparse_allowed / 2 * segment_capacity;
  std::ranges::sort(candidates, std::ranges::less(),
                    [](const Segment* segment) { return segment->live_bytes; });
  std::uint64_t left = dead;
  for (const Segment* segment : candidates) {
    if (left <= aim) break;
    left -= std::min(left, segment->header.capacity() - segment->live_bytes);
    found.push_back(segment->header.generation);
  }
  return found;
}

SegmentTable::Generation SegmentTable::newest_closed() const {
  Generation newest = 0;
  for (const auto& [generation, segment] : segments_) {
    if (segment.closed) newest = generation;
  }
  return newest;
}

bool SegmentTable::has_open() const {
  return !segments_.empty() && !segments_.rbegin()->second.closed;
}

void SegmentTable::forget_records(Generation through) {
  for (auto& [generation, segment] : segments_) {
    if (generation > through || !segment.closed) continue;
    segment.tombstones_of.clear();
    segment.settlements_of.clear();
  }
}

}  // namespace brevdue::backends
