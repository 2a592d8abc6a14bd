#include "backends/iouring/state_gatherer.h"

#include <algorithm>

#include <fmt/format.h>

namespace brevdue::backends {

Result<void> StateGatherer::read(const Segment& segment, const std::atomic<bool>& cancelled) {
  const std::uint32_t unreadable_before = unreadable_blocks_;
  auto done = read_what_is_readable(segment, cancelled);
  if (!done || unreadable_blocks_ == unreadable_before) return done;
  return fail(ErrorCode::io_failure,
              fmt::format("segment {} cannot be read in full", segment.header.number));
}

Result<void> StateGatherer::read_what_is_readable(const Segment& segment,
                                                  const std::atomic<bool>& cancelled) {
  const bool concerned = std::ranges::any_of(
      segment.settlements_of, [&](std::uint32_t target) { return messages_.contains(target); });
  if (!concerned) return {};
  seed_ = segment.header.seed();
  generation_ = segment.header.generation;
  reader_.select(segment.header.number, std::min(segment.file_size, segment.header.size));
  auto walked = walk_segment(reader_, segment.header, segment.end, cancelled, *this);
  unreadable_blocks_ += reader_.unreadable_blocks();
  return walked;
}

bool StateGatherer::is_asked_for(RecordPlace place) const {
  const auto generation = messages_.find(place.generation);
  return generation != messages_.end() &&
         std::ranges::binary_search(generation->second, place.offset);
}

Result<void> StateGatherer::batch(const ScannedBatch& batch) {
  meanwhile_();
  passed_over_damage_ = passed_over_damage_ || !batch.intact;
  const auto bytes = batch.intact ? RecordReader::Bytes::intact : RecordReader::Bytes::damaged;
  take(RecordReader(batch.records(), seed_, bytes), batch.header.offset + batch_header_size);
  return {};
}

Result<void> StateGatherer::bad(const BadRange& range) {
  passed_over_damage_ = true;
  auto bytes = reader_.view(range.offset, range.size);
  if (!bytes) return propagate(std::move(bytes.error()));
  take(RecordReader(*bytes, seed_, RecordReader::Bytes::damaged), range.offset);
  return {};
}

// `offset`: where the first of them lies in the segment.
void StateGatherer::take(RecordReader records, std::uint32_t offset) {
  while (const auto record = records.next()) {
    if (record->type != RecordType::settlement || !is_asked_for(record->target)) continue;
    if (!record->first_intact()) continue;
    if (findings_.take(*record, {generation_, offset + records.position()}))
      settled_.emplace(record->target, record->id);
  }
}

}  // namespace brevdue::backends
