#include "backends/iouring/log_recovery.h"

#include <algorithm>

#include <fmt/format.h>

#include "backends/iouring/log_location.h"

namespace brevdue::backends {

Result<void> LogRecovery::run(const std::vector<RecoverySource>& sources,
                              const std::vector<std::uint32_t>& damaged) {
  for (const RecoverySource& source : sources) present_.insert(source.header.generation);
  for (const std::uint32_t number : damaged) {
    const std::string name = fmt::format("segment-{:08}", number);
    std::string where = name;
    if (!read_only_) {
      auto moved = device_.set_aside_segment(number, name);
      if (!moved) return propagate(std::move(moved.error()), "quarantine");
      where = std::move(*moved);
    }
    sink_.quarantined({std::move(where), "neither copy of the segment's header can be read"});
  }
  for (const RecoverySource& source : sources) {
    if (auto scanned = scan(source); !scanned) return scanned;
    enter_in_table();
    report_header();
    report();
    findings_.forget(source.header.generation);
  }
  return {};
}

Result<void> LogRecovery::scan(const RecoverySource& source) {
  source_ = source;
  messages_.clear();
  tombstones_of_.clear();
  settlements_of_.clear();
  last_sequence_ = source.header.first_sequence - 1;
  reader_.select(source.header.number, std::min(source.file_size, source.header.size));
  if (source.file_size < source.header.size) {
    sink_.quarantined(
        {fmt::format("segment-{:08}", source.header.number),
         fmt::format("cut from {} to {} bytes", source.header.size, source.file_size)});
  }
  if (auto found = find_end(source); !found) return found;
  return walk_segment(reader_, source.header, end_, cancelled_, *this);
}

Result<void> LogRecovery::find_end(const RecoverySource& source) {
  has_footer_ = false;
  end_ = source.end;
  if (end_ != 0) return {};
  end_ = source.header.footer_offset();
  auto last = reader_.view(source.header.footer_offset(), log_block);
  if (!last) return propagate(std::move(last.error()));
  if (const auto footer = decode_footer(*last, source.header)) {
    end_ = footer->end;
    has_footer_ = true;
  }
  return {};
}

Result<void> LogRecovery::batch(const ScannedBatch& batch) {
  last_sequence_ = batch.header.sequence;
  if (!batch.intact) {
    auto found = salvage(batch.records(), batch.header.offset + batch_header_size);
    if (!found) return propagate(std::move(found.error()));
    return set_aside(batch.header.offset, batch.bytes,
                     fmt::format("checksum of batch {} does not hold; of {} records, {}",
                                 batch.header.sequence, batch.header.count, *found));
  }
  RecordReader records(batch.records(), source_.header.seed());
  while (const auto record = records.next()) {
    const std::uint32_t offset = batch.header.offset + batch_header_size + records.position();
    if (auto taken = take(*record, offset); !taken) return taken;
  }
  if (records.at_end()) return {};
  return set_aside(batch.header.offset, batch.bytes, "a record of an unknown form");
}

Result<void> LogRecovery::take(const LogRecord& record, std::uint32_t offset) {
  const std::uint32_t target = record.target.generation;
  switch (record.type) {
    case RecordType::message:
      if (!findings_.is_dead({source_.header.generation, offset})) {
        messages_.push_back({record.id, offset, static_cast<std::uint32_t>(record.size()),
                             SharedBytes(record.first)});
      }
      return {};
    case RecordType::tombstone:
    case RecordType::survivors:
      tombstones_of_.push_back(target);
      break;
    case RecordType::settlement:
      settlements_of_.push_back(target);
      break;
  }
  // Of a generation that is gone nothing needs to be known.
  if (!present_.contains(target)) return {};
  auto taken = findings_.take(record, {source_.header.generation, offset});
  if (taken) return {};
  return set_aside(offset, record.first,
                   fmt::format("{}: {}", record.id.text(), describe(taken.error())));
}

// Each record has a checksum of its own.
Result<std::string> LogRecovery::salvage(std::string_view bytes, std::uint32_t offset) {
  RecordReader records(bytes, source_.header.seed(), RecordReader::Bytes::damaged);
  std::string lost;
  std::vector<std::pair<LogRecord, std::uint32_t>> whole;
  while (const auto record = records.next()) {
    if (record->first_intact() && record->second_intact()) {
      whole.emplace_back(*record, offset + records.position());
    } else {
      lost += " " + record->id.text();
    }
  }
  for (const auto& [record, at] : whole) {
    if (auto taken = take(record, at); !taken) return propagate(std::move(taken.error()));
  }
  return fmt::format("{} records are whole{}{}", whole.size(),
                     lost.empty() ? "" : ", damaged:", lost);
}

Result<void> LogRecovery::bad(const BadRange& range) {
  // Without a footer the rest of the segment is unused, if all that was durable has been found.
  const bool at_end = range.offset + range.size == end_;
  if (at_end && !has_footer_ && source_.end == 0 && last_sequence_ >= source_.durable_through) {
    return {};
  }
  auto bytes = reader_.view(range.offset, range.size);
  if (!bytes) return propagate(std::move(bytes.error()));
  auto found = salvage(*bytes, range.offset);
  if (!found) return propagate(std::move(found.error()));
  return set_aside(range.offset, *bytes, "no batch can be read here; " + *found);
}

Result<void> LogRecovery::set_aside(std::uint32_t offset, std::string_view bytes, std::string why) {
  const std::string name =
      fmt::format("segment-{:08}.{}.{}", source_.header.number, source_.header.generation, offset);
  std::string where = name;
  if (!read_only_) {
    auto kept = device_.set_aside(name, bytes);
    if (!kept) return propagate(std::move(kept.error()), "quarantine");
    where = std::move(*kept);
  }
  sink_.quarantined({std::move(where), std::move(why)});
  return {};
}

void LogRecovery::enter_in_table() {
  std::erase_if(messages_, [&](const FoundMessage& message) {
    return findings_.is_dead({source_.header.generation, message.offset});
  });
  std::vector<std::uint32_t> offsets;
  std::uint64_t bytes = 0;
  std::vector<std::pair<std::uint32_t, RecordPlace>> settled;
  offsets.reserve(messages_.size());
  for (const FoundMessage& message : messages_) {
    offsets.push_back(message.offset);
    bytes += message.size;
    const auto latest = findings_.latest_settlement({source_.header.generation, message.offset});
    if (latest) settled.emplace_back(message.offset, *latest);
  }
  pool_.with_table([&](SegmentTable& table) {
    Segment& segment = *table.find(source_.header.generation);
    segment.add_live(offsets, bytes);
    for (const auto& [offset, settlement] : settled) segment.live.settle(offset, settlement);
    segment.tombstones_of.insert(tombstones_of_.begin(), tombstones_of_.end());
    segment.settlements_of.insert(settlements_of_.begin(), settlements_of_.end());
    // The newest was ended by start(), or is by now by the writer.
    if (source_.end == 0) segment.end = end_;
    segment.kept = segment.kept || reader_.unreadable_blocks() > 0;
  });
}

// A blank one in front of messages of which none lives is that of a segment that was being given up
// when the power was cut.
void LogRecovery::report_header() {
  const HeaderState was = source_.header_was;
  if (was == HeaderState::used || (was == HeaderState::blank && messages_.empty())) return;
  sink_.quarantined({fmt::format("segment-{:08}", source_.header.number),
                     "both copies of its header were damaged; it was put together again from its "
                     "first batch"});
}

void LogRecovery::report() {
  for (FoundMessage& message : messages_) {
    const RecordPlace place{source_.header.generation, message.offset};
    const LogLocation location{place, message.size};
    sink_.message(
        {message.id, location.opaque(), std::move(message.envelope), findings_.state_of(place)});
  }
}

}  // namespace brevdue::backends
