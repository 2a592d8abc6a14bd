#include "backends/iouring/caretaker.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "backends/iouring/block_write.h"
#include "backends/iouring/log_findings.h"
#include "backends/iouring/segment_reader.h"
#include "backends/iouring/segment_scan.h"
#include "mail/settlement.h"

namespace brevdue::backends {

namespace {
// Messages whose states one pass over the log keeps in memory.
constexpr std::size_t slice_messages_max = 200'000;
// Records written at once, so that mail is not held up behind them.
constexpr std::size_t piece_bytes_max = 256 * 1024;

class SettlementGatherer final : public SegmentVisitor {
 public:
  SettlementGatherer(LogFindings& findings,
                     const std::map<std::uint32_t, std::vector<std::uint32_t>>& living,
                     std::map<RecordPlace, mail::QueueId>& ids, std::function<void()> meanwhile)
      : findings_(findings), living_(living), ids_(ids), meanwhile_(std::move(meanwhile)) {}

  void select(std::uint32_t seed) { seed_ = seed; }

  Result<void> batch(const ScannedBatch& batch) override {
    meanwhile_();
    RecordReader records(batch.records(), seed_);
    while (const auto record = records.next()) {
      if (record->type != RecordType::settlement) continue;
      const auto generation = living_.find(record->target.generation);
      if (generation == living_.end()) continue;
      if (!std::ranges::binary_search(generation->second, record->target.offset)) continue;
      // What recovery could not use it reported; the rest counts here as it did there.
      if (!batch.intact && !record->first_intact()) continue;
      if (findings_.take(*record)) ids_.emplace(record->target, record->id);
    }
    return {};
  }
  Result<void> bad(const BadRange&) override { return {}; }

 private:
  LogFindings& findings_;
  const std::map<std::uint32_t, std::vector<std::uint32_t>>& living_;
  std::map<RecordPlace, mail::QueueId>& ids_;
  std::function<void()> meanwhile_;
  std::uint32_t seed_ = 0;
};
}  // namespace

void Caretaker::run(const std::atomic<bool>& cancelled) {
  while (true) {
    const SegmentPool::Chores chores = pool_.wait_for_chores();
    if (chores.stop) return;
    for (const std::uint32_t number : chores.unwanted) remove_blank(number);
    for (const std::uint32_t generation : chores.free_generations) retire(generation);
    if (chores.look) look_at_free_space();
    if (chores.create) create(cancelled);
    if (!chores.checkpoint) continue;
    const auto done = checkpoint(cancelled);
    if (done) continue;
    const ErrorCode why = done.error().code;
    // It begins again when it can; what it wrote is true and stays.
    if (why == ErrorCode::cancelled || why == ErrorCode::busy || why == ErrorCode::storage_full ||
        why == ErrorCode::unavailable) {
      continue;
    }
    pool_.checkpoint_failed();
    options_.notice(fmt::format("checkpoint of the log: {}", describe(done.error())));
  }
}

Result<void> Caretaker::create_segment(const std::atomic<bool>& cancelled) {
  const std::uint32_t number = pool_.next_number();
  if (auto made = device_.create(number, options_.segment_size, cancelled); !made) return made;
  pool_.segment_created(number);
  return {};
}

void Caretaker::create(const std::atomic<bool>& cancelled) {
  if (const auto space = device_.free_space()) {
    pool_.set_free_space(*space);
    if (*space < options_.segment_size) return pool_.creation_failed();
  }
  const auto made = create_segment(cancelled);
  if (made || made.error().code == ErrorCode::cancelled) return look_at_free_space();
  if (made.error().code != ErrorCode::storage_full) options_.notice(describe(made.error()));
  pool_.creation_failed();
}

// In the middle of a checkpoint, which may take long: no commit shall wait for its end.
void Caretaker::make_spares(const std::atomic<bool>& cancelled) {
  while (!cancelled.load() && pool_.needs_spare()) create(cancelled);
}

// Blank before anything that speaks of it may go: a crash in between leaves both.
void Caretaker::retire(std::uint32_t generation) {
  const auto segment = pool_.with_table([&](SegmentTable& table) {
    const Segment* found = table.find(generation);
    return std::pair(found->header, found->file_size);
  });
  const auto& [header, file_size] = segment;
  if (header.size != options_.segment_size || file_size != header.size) {
    if (const auto gone = device_.remove(header.number); !gone) {
      pool_.give_up();
      options_.notice(describe(gone.error()));
      return;
    }
    return pool_.retired(generation, std::nullopt);
  }
  const std::string blank(segment_header_area, '\0');
  if (const auto done = write_blocks(device_, header.number, 0, blank); !done) {
    pool_.give_up();
    options_.notice(describe(done.error()));
    return;
  }
  pool_.retired(generation, header.number);
}

void Caretaker::remove_blank(std::uint32_t number) {
  if (const auto gone = device_.remove(number); !gone)
    return options_.notice(describe(gone.error()));
  pool_.space_was_freed();
  look_at_free_space();
}

void Caretaker::look_at_free_space() {
  if (const auto space = device_.free_space()) pool_.set_free_space(*space);
}

Result<void> Caretaker::checkpoint(const std::atomic<bool>& cancelled) {
  std::uint32_t through = 0;
  std::uint64_t through_sequence = 0;
  std::vector<Segment> closed;
  std::vector<LogItem> lists;
  pool_.with_table([&](SegmentTable& table) {
    through = table.newest_closed();
    std::set<std::uint32_t> spoken_of;
    for (const auto& [generation, segment] : table.segments()) {
      if (generation > through) {
        through_sequence = segment.header.first_sequence - 1;
        break;
      }
      closed.push_back({.header = segment.header,
                        .file_size = segment.file_size,
                        .end = segment.end,
                        .settlements_of = segment.settlements_of});
      spoken_of.insert(segment.tombstones_of.begin(), segment.tombstones_of.end());
    }
    for (const std::uint32_t generation : spoken_of) {
      if (table.find(generation) == nullptr) continue;
      LogItem item;
      item.record.type = RecordType::survivors;
      item.record.target.generation = generation;
      lists.push_back(std::move(item));
    }
  });
  // Without an open segment nothing can be written.
  if (through_sequence == 0) return fail(ErrorCode::cancelled, "no open segment");
  for (const Slice& slice : slices(closed)) {
    auto written = write_states(closed, slice, through_sequence, cancelled);
    if (!written) return written;
  }
  if (auto written = write_in_pieces(std::move(lists), cancelled); !written) return written;
  pool_.checkpoint_done(through);
  return {};
}

std::vector<Caretaker::Slice> Caretaker::slices(const std::vector<Segment>& closed) {
  std::set<std::uint32_t> spoken_of;
  for (const Segment& segment : closed) {
    spoken_of.insert(segment.settlements_of.begin(), segment.settlements_of.end());
  }
  std::vector<Slice> found;
  std::size_t messages = slice_messages_max;
  pool_.with_table([&](SegmentTable& table) {
    for (const std::uint32_t generation : spoken_of) {
      const Segment* target = table.find(generation);
      if (target == nullptr || target->live.size() == 0) continue;
      if (messages + target->live.size() > slice_messages_max) {
        found.emplace_back();
        messages = 0;
      }
      messages += target->live.size();
      found.back().living.emplace(generation, target->live.offsets());
    }
  });
  return found;
}

Result<void> Caretaker::write_states(const std::vector<Segment>& closed, const Slice& slice,
                                     std::uint64_t through_sequence,
                                     const std::atomic<bool>& cancelled) {
  LogFindings findings;
  std::map<RecordPlace, mail::QueueId> ids;
  SettlementGatherer gatherer(findings, slice.living, ids, [&] { make_spares(cancelled); });
  SegmentReader reader(device_);
  for (const Segment& segment : closed) {
    const bool concerned = std::ranges::any_of(segment.settlements_of, [&](std::uint32_t target) {
      return slice.living.contains(target);
    });
    if (!concerned) continue;
    reader.select(segment.header.number, std::min(segment.file_size, segment.header.size));
    gatherer.select(segment.header.seed());
    auto walked = walk_segment(reader, segment.header, segment.end, cancelled, gatherer);
    if (!walked) return walked;
    if (reader.unreadable_blocks() > 0) {
      return fail(ErrorCode::io_failure,
                  fmt::format("segment {} cannot be read in full", segment.header.number));
    }
  }
  std::vector<LogItem> items;
  items.reserve(ids.size());
  for (const auto& [place, id] : ids) {
    LogItem item;
    item.record.type = RecordType::settlement;
    item.record.whole = true;
    item.record.id = id;
    item.record.target = place;
    item.record.order = {through_sequence, std::numeric_limits<std::uint32_t>::max()};
    item.body = mail::encode(mail::as_settlement(findings.state_of(place)));
    items.push_back(std::move(item));
  }
  return write_in_pieces(std::move(items), cancelled);
}

Result<void> Caretaker::write_in_pieces(std::vector<LogItem> items,
                                        const std::atomic<bool>& cancelled) {
  std::vector<LogItem> piece;
  std::size_t bytes = 0;
  for (LogItem& item : items) {
    bytes += record_header_size + item.body.size();
    piece.push_back(std::move(item));
    if (bytes < piece_bytes_max) continue;
    if (auto done = write_piece(piece, cancelled); !done) return done;
    piece.clear();
    bytes = 0;
  }
  return piece.empty() ? Result<void>() : write_piece(piece, cancelled);
}

// The writer may be waiting for a segment. What of the piece is written twice is true twice.
Result<void> Caretaker::write_piece(std::vector<LogItem>& piece,
                                    const std::atomic<bool>& cancelled) {
  while (true) {
    make_spares(cancelled);
    auto done = writer_.do_upkeep(piece);
    if (done || done.error().code != ErrorCode::busy || !pool_.needs_spare()) return done;
  }
}

}  // namespace brevdue::backends
