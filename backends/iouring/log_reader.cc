#include "backends/iouring/log_reader.h"

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "backends/iouring/log_format.h"
#include "backends/iouring/state_gatherer.h"

namespace brevdue::backends {

namespace {
// Bytes of a segment from a block's start on.
struct Blocks {
  std::shared_ptr<char[]> bytes;
  std::string_view wanted;
};

Result<Blocks> read_blocks(LogDevice& device, const SegmentHeader& segment, std::uint32_t offset,
                           std::size_t size) {
  const std::uint32_t begin = offset / log_block * log_block;
  const std::uint32_t lead = offset - begin;
  const std::size_t padded = round_up_to_block(std::size_t{lead} + size);
  std::shared_ptr<char[]> block(static_cast<char*>(std::aligned_alloc(log_block, padded)),
                                std::free);
  if (!block) return fail(ErrorCode::overloaded, "no memory to read a message");
  auto got = device.read(segment.number, begin, block.get(), padded);
  if (!got) return propagate(std::move(got.error()));
  std::string_view wanted(block.get(), std::min(*got, padded));
  wanted = wanted.substr(std::min<std::size_t>(lead, wanted.size()));
  return Blocks{std::move(block), wanted.substr(0, size)};
}

std::unexpected<Error> damaged(mail::QueueId id, const SegmentHeader& segment,
                               const LogLocation& at) {
  return fail(ErrorCode::corrupt,
              fmt::format("{} in segment {} at {}", id.text(), segment.number, at.place.offset));
}
}  // namespace

std::optional<SegmentHeader> LogReader::locate(LogLocation& at) {
  return pool_.with_table([&](SegmentTable& table) -> std::optional<SegmentHeader> {
    at = table.now(at);
    if (!table.is_live(at.place)) return std::nullopt;
    const SegmentHeader& segment = table.find(at.place.generation)->header;
    const bool plausible = segment.number == at.segment && at.size >= record_header_size &&
                           at.place.offset < segment.size &&
                           at.size <= segment.size - at.place.offset;
    return plausible ? std::optional(segment) : std::nullopt;
  });
}

Result<SharedBytes> LogReader::open(mail::QueueId id, const queue::Location& location) {
  LogLocation at = LogLocation::of(location);
  while (true) {
    const auto segment = locate(at);
    if (!segment) return fail(ErrorCode::not_found, id.text());
    auto content = read_content(id, at, *segment);
    if (content) return content;
    const RecordPlace tried = at.place;
    if (!locate(at) || at.place == tried) return content;
  }
}

Result<SharedBytes> LogReader::read_content(mail::QueueId id, const LogLocation& at,
                                            const SegmentHeader& segment) {
  auto read = read_blocks(device_, segment, at.place.offset, at.size);
  if (!read) return propagate(std::move(read.error()), id.text());
  const auto record = decode_record(read->wanted, segment.seed());
  if (!record || record->type != RecordType::message || record->id != id ||
      !record->second_intact()) {
    return damaged(id, segment, at);
  }
  return SharedBytes(std::shared_ptr<const char[]>(read->bytes, record->second.data()),
                     record->second.size());
}

Result<queue::StoredMessage> LogReader::look_up(mail::QueueId id, const queue::Location& location) {
  LogLocation at = LogLocation::of(location);
  while (true) {
    const auto segment = locate(at);
    if (!segment) return fail(ErrorCode::not_found, id.text());
    auto envelope = read_envelope(id, at, *segment);
    auto state = gather_state(at.place);
    const RecordPlace tried = at.place;
    // Moved, or gone: what was read may be of something else.
    if (!locate(at)) return fail(ErrorCode::not_found, id.text());
    if (at.place != tried) continue;
    if (!envelope) return propagate(std::move(envelope.error()));
    if (!state) return propagate(std::move(state.error()));
    if (*state) return queue::StoredMessage{std::move(*envelope), std::move(**state)};
  }
}

Result<SharedBytes> LogReader::read_envelope(mail::QueueId id, const LogLocation& at,
                                             const SegmentHeader& segment) {
  // Most envelopes lie in the first two blocks.
  std::size_t size =
      std::min<std::size_t>(at.size, 2 * std::size_t{log_block} - at.place.offset % log_block);
  while (true) {
    auto read = read_blocks(device_, segment, at.place.offset, size);
    if (!read) return propagate(std::move(read.error()), id.text());
    const auto head = decode_record_head(read->wanted, segment.seed());
    if (!head || head->record.type != RecordType::message || head->record.id != id ||
        head->size != at.size) {
      return damaged(id, segment, at);
    }
    LogRecord record = head->record;
    record.first = read->wanted.substr(record_header_size, head->first_size);
    if (record.first.size() == head->first_size) {
      if (!record.first_intact()) return damaged(id, segment, at);
      return SharedBytes(record.first);
    }
    if (size >= record_header_size + std::size_t{head->first_size}) return damaged(id, segment, at);
    size = record_header_size + std::size_t{head->first_size};
  }
}

// A segment goes when a checkpoint has written its meaning again, in one that was not looked at
// perhaps.
Result<std::optional<mail::DeliveryState>> LogReader::gather_state(RecordPlace place) {
  std::vector<Segment> speaking;
  pool_.with_table([&](SegmentTable& table) {
    for (const auto& [generation, segment] : table.segments()) {
      if (segment.settlements_of.contains(place.generation)) speaking.push_back(segment.outline());
    }
  });
  const MessageOffsets asked{{place.generation, {place.offset}}};
  StateGatherer states(device_, asked, [] {});
  Result<void> read;
  for (const Segment& segment : speaking) {
    read = states.read_what_is_readable(segment, cancelled_);
    if (!read) break;
  }
  const bool complete = pool_.with_table([&](SegmentTable& table) {
    return std::ranges::all_of(speaking, [&](const Segment& segment) {
      return table.find(segment.header.generation) != nullptr;
    });
  });
  if (!complete) return std::nullopt;
  if (!read) return propagate(std::move(read.error()));
  return states.state_of(place);
}

}  // namespace brevdue::backends
