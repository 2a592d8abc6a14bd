// The part of LogReader that verifies: everything about a message is read from the disk again.
#include <utility>

#include <fmt/format.h>

#include "backends/iouring/log_reader.h"

namespace brevdue::backends {

using queue::Damage;

namespace {
std::string where(std::uint32_t number, std::uint32_t offset) {
  return fmt::format("iouring/segment-{:08} at byte {}", number, offset);
}
}  // namespace

Result<queue::Verified> LogReader::verify(mail::QueueId id, const queue::Location& location) {
  LogLocation at = LogLocation::of(location);
  auto found = locate(at);
  while (found) {
    queue::Verified verified;
    auto done = verify_record(id, at, found->segment.header, verified);
    if (done) done = verify_latest(at, *found, verified);
    const RecordPlace tried = at.place;
    const auto tried_latest = found->latest;
    found = locate(at);
    if (!found) break;
    // What was read may be of something else by now.
    if (at.place != tried || found->latest != tried_latest) continue;
    if (!done) return propagate(std::move(done.error()));
    return verified;
  }
  return fail(ErrorCode::not_found, id.text());
}

Result<void> LogReader::verify_record(mail::QueueId id, const LogLocation& at,
                                      const SegmentHeader& segment, queue::Verified& verified) {
  const std::string place = where(segment.number, at.place.offset);
  auto found = read_whole(id, at, segment);
  if (!found && found.error().code != ErrorCode::io_failure) {
    return propagate(std::move(found.error()));
  }
  if (!found || !found->record) {
    const std::string what =
        found ? "the header of its record is damaged" : describe(found.error());
    verified.damage.push_back({Damage::Part::envelope, place, what});
    return {};
  }
  verified.bytes += at.size;
  const LogRecord& record = *found->record;
  if (record.first_intact()) {
    verified.envelope = SharedBytes(record.first);
  } else {
    verified.damage.push_back({Damage::Part::envelope, place, "its checksum does not hold"});
  }
  if (!record.second_intact()) {
    const auto lead = static_cast<std::uint32_t>(record_header_size + record.first.size());
    verified.damage.push_back({Damage::Part::content, where(segment.number, at.place.offset + lead),
                               "its checksum does not hold"});
  }
  return {};
}

Result<void> LogReader::verify_latest(const LogLocation& at, const Found& found,
                                      queue::Verified& verified) {
  if (!found.latest || !found.latest_lies) return {};
  settlements_.forget();
  const auto record = read_first(settlements_, *found.latest_lies, found.latest->offset);
  if (!record && record.error().code != ErrorCode::io_failure) {
    return propagate(Error(record.error()));
  }
  const std::string place = where(found.latest_lies->header.number, found.latest->offset);
  if (!record) {
    verified.damage.push_back({Damage::Part::settlement, place, describe(record.error())});
  } else if (!*record || (*record)->type != RecordType::settlement ||
             (*record)->target != at.place || !mail::decode_settlement((*record)->first)) {
    verified.damage.push_back({Damage::Part::settlement, place, "its checksum does not hold"});
  } else {
    verified.bytes += record_header_size + (*record)->first.size();
  }
  return {};
}

}  // namespace brevdue::backends
