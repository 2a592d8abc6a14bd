#include "backends/iouring/log_compaction.h"

#include <algorithm>
#include <utility>

#include "mail/settlement.h"

namespace brevdue::backends {

namespace {
// Messages whose states are kept in memory at a time.
constexpr std::size_t messages_max = 200'000;
// Records written at once, so that mail is not held up behind them.
constexpr std::uint64_t piece_bytes_max = 256 * 1024;
}  // namespace

// Hands on what lives in one segment.
class LogCompaction::Reading final : public SegmentVisitor {
 public:
  Reading(LogCompaction& compaction, const Segment& segment, const StateGatherer& states)
      : compaction_(compaction),
        header_(segment.header),
        living_(compaction.living_.at(segment.header.generation)),
        states_(states) {}

  bool found_damage() const { return damaged_; }

  Result<void> batch(const ScannedBatch& batch) override {
    compaction_.calls_.meanwhile();
    const auto bytes = batch.intact ? RecordReader::Bytes::intact : RecordReader::Bytes::damaged;
    RecordReader records(batch.records(), header_.seed(), bytes);
    while (const auto record = records.next()) {
      const std::uint32_t offset = batch.header.offset + batch_header_size + records.position();
      if (record->type != RecordType::message) continue;
      if (!std::ranges::binary_search(living_, offset)) continue;
      if (!batch.intact && !(record->first_intact() && record->second_intact())) {
        damaged_ = true;
        continue;
      }
      if (auto taken = compaction_.take(record->id, {header_.generation, offset}, record->first,
                                        record->second, states_);
          !taken) {
        return taken;
      }
    }
    return {};
  }
  Result<void> bad(const BadRange&) override {
    damaged_ = true;
    return {};
  }

 private:
  LogCompaction& compaction_;
  const SegmentHeader header_;
  const std::vector<std::uint32_t>& living_;
  const StateGatherer& states_;
  bool damaged_ = false;
};

Result<void> LogCompaction::run() {
  choose();
  if (emptied_.empty()) return {};
  StateGatherer states(device_, living_, calls_.meanwhile);
  Result<void> done = gather(states);
  for (const Segment& segment : emptied_) {
    if (!done) break;
    done = empty(segment, states);
  }
  pool_.with_table([](SegmentTable& table) { table.end_watch(); });
  return done;
}

// The watch begins before anything is read: a settlement is read, or it is seen by the watch.
void LogCompaction::choose() {
  const std::vector<std::uint32_t> sparse = pool_.sparse();
  pool_.with_table([&](SegmentTable& table) {
    std::size_t messages = 0;
    std::vector<std::uint32_t> chosen;
    for (const std::uint32_t generation : sparse) {
      const Segment* segment = table.find(generation);
      if (segment == nullptr || segment->live.size() == 0) continue;
      messages += segment->live.size();
      if (messages > messages_max && !chosen.empty()) break;
      living_.emplace(generation, segment->live.offsets());
      emptied_.push_back(segment->outline());
      chosen.push_back(generation);
    }
    for (const auto& [generation, segment] : table.segments()) {
      if (!segment.settlements_of.empty()) speaking_.push_back(segment.outline());
    }
    table.watch(chosen);
  });
}

Result<void> LogCompaction::gather(StateGatherer& states) {
  for (const Segment& segment : speaking_) {
    if (auto read = states.read(segment, cancelled_); !read) return read;
  }
  return {};
}

Result<void> LogCompaction::empty(const Segment& segment, const StateGatherer& states) {
  const std::uint32_t generation = segment.header.generation;
  const bool still_there =
      pool_.with_table([&](SegmentTable& table) { return table.find(generation) != nullptr; });
  if (!still_there) return {};
  SegmentReader reader(device_);
  reader.select(segment.header.number, std::min(segment.file_size, segment.header.size));
  Reading reading(*this, segment, states);
  auto walked = walk_segment(reader, segment.header, segment.end, cancelled_, reading);
  if (walked) walked = write_piece();
  piece_.clear();
  piece_bytes_ = 0;
  if (!walked) return walked;
  if (reading.found_damage() || reader.unreadable_blocks() > 0) {
    pool_.with_table([&](SegmentTable& table) { table.find(generation)->kept = true; });
  }
  calls_.after_segment();
  return {};
}

Result<void> LogCompaction::take(mail::QueueId id, RecordPlace from, std::string_view envelope,
                                 std::string_view content, const StateGatherer& states) {
  LogItem message{.moves = from};
  message.message = SharedBytes(std::string(envelope) + std::string(content));
  message.record.type = RecordType::message;
  message.record.id = id;
  message.record.first = message.message.view().substr(0, envelope.size());
  message.record.second = message.message.view().substr(envelope.size());
  LogItem tombstone{.target_size = static_cast<std::uint32_t>(message.record.size()),
                    .moves = from};
  tombstone.record.type = RecordType::tombstone;
  tombstone.record.id = id;
  tombstone.record.target = from;
  LogItem state{.moves = from};
  state.record.type = RecordType::settlement;
  state.record.whole = true;
  state.record.id = id;
  const bool has_state = states.settled().contains(from);
  if (has_state) state.body = mail::encode(mail::as_settlement(states.state_of(from)));

  const std::uint64_t bytes = message.record.size() + tombstone.record.size() +
                              (has_state ? record_header_size + state.body.size() : 0);
  // It can only be moved in one batch; so large a one is left to itself.
  if (bytes + batch_header_size > batch_size_max_) return {};
  if (piece_bytes_ + bytes + batch_header_size > batch_size_max_) {
    if (auto written = write_piece(); !written) return written;
  }
  piece_bytes_ += bytes;
  piece_.push_back(std::move(message));
  if (has_state) piece_.push_back(std::move(state));
  piece_.push_back(std::move(tombstone));
  return piece_bytes_ < piece_bytes_max ? Result<void>() : write_piece();
}

Result<void> LogCompaction::write_piece() {
  if (piece_.empty()) return {};
  auto written = calls_.write(piece_);
  if (written) {
    moved_ += static_cast<std::size_t>(std::ranges::count_if(
        piece_, [](const LogItem& item) { return item.record.type == RecordType::message; }));
  }
  piece_.clear();
  piece_bytes_ = 0;
  return written;
}

}  // namespace brevdue::backends
