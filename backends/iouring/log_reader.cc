#include "backends/iouring/log_reader.h"

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "backends/iouring/log_format.h"
#include "backends/iouring/state_gatherer.h"

namespace brevdue::backends {

static std::unexpected<Error> damaged(mail::QueueId id, const SegmentHeader& segment,
                                      const LogLocation& at) {
  return fail(ErrorCode::corrupt,
              fmt::format("{} in segment {} at {}", id.text(), segment.number, at.place.offset));
}

std::optional<LogReader::Found> LogReader::locate(LogLocation& at) {
  return pool_.with_table([&](SegmentTable& table) -> std::optional<Found> {
    at = table.now(at);
    if (!table.is_live(at.place)) return std::nullopt;
    const auto outline = [](const Segment& segment) {
      return Segment{.header = segment.header, .end = segment.end};
    };
    Found found{outline(*table.find(at.place.generation)), table.latest_settlement(at.place), {}};
    const SegmentHeader& header = found.segment.header;
    const bool plausible = at.size >= record_header_size && at.place.offset < header.size &&
                           at.size <= header.size - at.place.offset;
    if (!plausible) return std::nullopt;
    const Segment* lies = found.latest ? table.find(found.latest->generation) : nullptr;
    if (lies != nullptr) found.latest_lies = outline(*lies);
    return found;
  });
}

Result<SharedBytes> LogReader::open(mail::QueueId id, const queue::Location& location) {
  LogLocation at = LogLocation::of(location);
  while (true) {
    const auto found = locate(at);
    if (!found) return fail(ErrorCode::not_found, id.text());
    auto content = read_content(id, at, found->segment.header);
    if (content) return content;
    const RecordPlace tried = at.place;
    if (!locate(at) || at.place == tried) return content;
  }
}

Result<LogReader::WholeRecord> LogReader::read_whole(mail::QueueId id, const LogLocation& at,
                                                     const SegmentHeader& segment) {
  const std::uint32_t begin = at.place.offset / log_block * log_block;
  const std::uint32_t lead = at.place.offset - begin;
  const std::size_t size = round_up_to_block(std::size_t{lead} + at.size);
  std::shared_ptr<char[]> blocks(static_cast<char*>(std::aligned_alloc(log_block, size)),
                                 std::free);
  if (!blocks) return fail(ErrorCode::overloaded, "no memory to read a message");
  auto got = device_.read(segment.number, begin, blocks.get(), size);
  if (!got) return propagate(std::move(got.error()), id.text());
  const std::string_view bytes = std::string_view(blocks.get(), std::min(*got, size));
  auto record = bytes.size() < lead + at.size
                    ? std::nullopt
                    : decode_record(bytes.substr(lead, at.size), segment.seed());
  if (record && (record->type != RecordType::message || record->id != id)) record.reset();
  return WholeRecord{std::move(blocks), record};
}

Result<SharedBytes> LogReader::read_content(mail::QueueId id, const LogLocation& at,
                                            const SegmentHeader& segment) {
  auto found = read_whole(id, at, segment);
  if (!found) return propagate(std::move(found.error()));
  if (!found->record || !found->record->second_intact()) return damaged(id, segment, at);
  const std::string_view content = found->record->second;
  return SharedBytes(std::shared_ptr<const char[]>(found->blocks, content.data()), content.size());
}

Result<queue::StoredMessage> LogReader::look_up(mail::QueueId id, const queue::Location& location) {
  LogLocation at = LogLocation::of(location);
  auto found = locate(at);
  while (found) {
    auto envelope = read_envelope(id, at, found->segment);
    auto read = read_state(at, *found);
    const RecordPlace tried = at.place;
    const auto tried_latest = found->latest;
    found = locate(at);
    if (!found) break;
    // What was read may be of something else by now.
    if (at.place != tried) continue;
    if (!envelope) return propagate(std::move(envelope.error()));
    if (read && *read) {
      return queue::StoredMessage{std::move(*envelope), std::move((*read)->state),
                                  (*read)->is_older};
    }
    if (!read && found->latest == tried_latest) return propagate(std::move(read.error()));
  }
  return fail(ErrorCode::not_found, id.text());
}

Result<SharedBytes> LogReader::read_envelope(mail::QueueId id, const LogLocation& at,
                                             const Segment& segment) {
  auto record = read_first(messages_, segment, at.place.offset);
  if (!record) return propagate(std::move(record.error()), id.text());
  if (!*record || (*record)->type != RecordType::message || (*record)->id != id) {
    return damaged(id, segment.header, at);
  }
  return SharedBytes((*record)->first);
}

Result<std::optional<LogReader::Gathered>> LogReader::read_state(const LogLocation& at,
                                                                 const Found& found) {
  auto latest = read_latest(at, found);
  if (!latest) return propagate(std::move(latest.error()));
  if (latest->state) return Gathered{std::move(*latest->state)};
  auto gathered = gather_state(at.place);
  if (!gathered || !*gathered) return gathered;
  const bool lacks_the_latest =
      latest->is_damaged || (*gathered)->state.sequence < latest->sequence;
  (*gathered)->is_older = (*gathered)->is_older || lacks_the_latest;
  return gathered;
}

Result<LogReader::Latest> LogReader::read_latest(const LogLocation& at, const Found& found) {
  if (!found.latest) return Latest{mail::DeliveryState()};
  if (!found.latest_lies) return Latest{};
  const Latest damaged{.state = std::nullopt, .is_damaged = true};
  auto record = read_first(settlements_, *found.latest_lies, found.latest->offset);
  // A block that cannot be read is damage, as in recovery: what others say counts.
  if (!record && record.error().code == ErrorCode::io_failure) return damaged;
  if (!record) return propagate(std::move(record.error()));
  const bool is_it =
      *record && (*record)->type == RecordType::settlement && (*record)->target == at.place;
  const auto settlement =
      is_it ? mail::decode_settlement((*record)->first) : Result<mail::Settlement>();
  if (!is_it || !settlement) return damaged;
  if (!(*record)->whole) return Latest{.sequence = settlement->sequence};
  mail::DeliveryState state;
  state.apply(*settlement);
  return Latest{std::move(state)};
}

Result<std::optional<LogRecord>> LogReader::read_first(ReadWindow& window, const Segment& segment,
                                                       std::uint32_t offset) {
  // Holds most envelopes and settlements.
  constexpr std::uint32_t usual_size = 512;
  auto bytes = window.view(segment, offset, usual_size);
  if (!bytes) return propagate(std::move(bytes.error()));
  auto head = decode_record_head(*bytes, segment.header.seed());
  if (!head || head->first_size > segment.end - offset) return std::nullopt;
  if (bytes->size() < record_header_size + head->first_size) {
    bytes = window.view(segment, offset, record_header_size + head->first_size);
    if (!bytes) return propagate(std::move(bytes.error()));
    if (bytes->size() < record_header_size + head->first_size) return std::nullopt;
  }
  head->record.first = bytes->substr(record_header_size, head->first_size);
  return head->record.first_intact() ? std::optional(head->record) : std::nullopt;
}

// A segment goes when a checkpoint has written its meaning again, in one that was not looked at
// perhaps.
Result<std::optional<LogReader::Gathered>> LogReader::gather_state(RecordPlace place) {
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
  return Gathered{states.state_of(place), states.may_miss_some_of(place)};
}

}  // namespace brevdue::backends
