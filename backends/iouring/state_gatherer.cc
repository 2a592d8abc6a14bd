#include "backends/iouring/state_gatherer.h"

#include <algorithm>

#include <fmt/format.h>

namespace brevdue::backends {

Result<void> StateGatherer::read(const Segment& segment, const std::atomic<bool>& cancelled) {
  const bool concerned = std::ranges::any_of(
      segment.settlements_of, [&](std::uint32_t target) { return messages_.contains(target); });
  if (!concerned) return {};
  seed_ = segment.header.seed();
  reader_.select(segment.header.number, std::min(segment.file_size, segment.header.size));
  auto walked = walk_segment(reader_, segment.header, segment.end, cancelled, *this);
  if (!walked) return walked;
  if (reader_.unreadable_blocks() == 0) return {};
  return fail(ErrorCode::io_failure,
              fmt::format("segment {} cannot be read in full", segment.header.number));
}

bool StateGatherer::is_asked_for(RecordPlace place) const {
  const auto generation = messages_.find(place.generation);
  return generation != messages_.end() &&
         std::ranges::binary_search(generation->second, place.offset);
}

Result<void> StateGatherer::batch(const ScannedBatch& batch) {
  meanwhile_();
  RecordReader records(batch.records(), seed_);
  while (const auto record = records.next()) {
    if (record->type != RecordType::settlement || !is_asked_for(record->target)) continue;
    if (!batch.intact && !record->first_intact()) continue;
    if (findings_.take(*record)) settled_.emplace(record->target, record->id);
  }
  return {};
}

}  // namespace brevdue::backends
