#include "backends/iouring/caretaker.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "backends/iouring/aligned_buffer.h"
#include "backends/iouring/block_write.h"
#include "backends/iouring/log_compaction.h"
#include "backends/iouring/zero_pace.h"
#include "mail/settlement.h"

namespace brevdue::backends {

namespace {
// Messages whose states one pass over the log keeps in memory.
constexpr std::size_t slice_messages_max = 200'000;
// Records written at once, so that mail is not held up behind them.
constexpr std::size_t piece_bytes_max = 256 * 1024;
using Clock = std::chrono::steady_clock;
// Of a pause: the caretaker may be wanted.
constexpr std::chrono::milliseconds step{5};
// Without any for so long, mail is not coming.
constexpr std::chrono::milliseconds mail_gap_max{100};
// A little less than a piece of zeros, so that the next segment is ready when this one is full.
constexpr std::uint32_t mail_for_a_piece = 768 * 1024;
// For the disk to come to rest, where it may have no rest at all.
constexpr std::chrono::milliseconds rest_max{50};

// What was written is true and stays; it begins again when it can.
bool is_passing(ErrorCode why) {
  return why == ErrorCode::cancelled || why == ErrorCode::busy || why == ErrorCode::storage_full ||
         why == ErrorCode::unavailable;
}
}  // namespace

void Caretaker::run(const std::atomic<bool>& cancelled) {
  while (true) {
    const SegmentPool::Chores chores = pool_.wait_for_chores();
    if (chores.stop) return;
    for (const std::uint32_t number : chores.unwanted) remove_blank(number);
    for (const std::uint32_t generation : chores.free_generations) retire(generation);
    if (chores.look) look_at_free_space();
    if (chores.create) create(cancelled);
    if (chores.checkpoint) {
      const auto done = checkpoint(cancelled);
      if (done || is_passing(done.error().code)) continue;
      pool_.checkpoint_failed();
      options_.notice(fmt::format("checkpoint of the log: {}", describe(done.error())));
    } else if (chores.compaction) {
      const auto done = compact(cancelled);
      if (done || is_passing(done.error().code)) continue;
      options_.notice(fmt::format("compaction of the log: {}", describe(done.error())));
    }
  }
}

Result<void> Caretaker::create_segment(const std::atomic<bool>& cancelled) {
  const std::uint32_t number = pool_.next_number();
  std::optional<Clock::time_point> began;  // the piece that is being written
  std::uint32_t remaining = writer_.remaining();
  Clock::time_point mail_came{};
  const auto goes_on = [&] {
    const auto now = Clock::now();
    const std::uint32_t before = std::exchange(remaining, writer_.remaining());
    if (remaining != before) mail_came = now;
    if (began && now - mail_came < mail_gap_max) make_way(now - *began, cancelled);
    began = Clock::now();
    return !cancelled.load();
  };
  if (auto made = device_.create(number, options_.segment_size, goes_on); !made) return made;
  pool_.segment_created(number);
  return {};
}

// After a piece of the zeros of a new segment, beside which mail is written. It lasts as long as
// the pace says, but no longer than mail needs to take as much as the next piece gives.
void Caretaker::make_way(std::chrono::nanoseconds took, const std::atomic<bool>& cancelled) {
  const auto began = Clock::now();
  const std::uint32_t left = writer_.remaining();
  const auto pause = [&] {
    const std::uint32_t now_left = writer_.remaining();
    const bool is_late = !pool_.has_spare() && now_left > 0 && now_left < options_.segment_size / 4;
    return pause_after_zeros(took, is_late);
  };
  // In the next segment more is left, and the difference is large as well.
  const auto keeps_up = [&] { return left - writer_.remaining() < mail_for_a_piece; };
  while (!cancelled.load() && Clock::now() - began < pause() && keeps_up()) {
    std::this_thread::sleep_for(step);
  }
  if (!cancelled.load() && pause() > std::chrono::nanoseconds(0)) writer_.await_rest(rest_max);
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
  if (const auto done = make_blank(header); !done) {
    pool_.give_up();
    options_.notice(describe(done.error()));
    return;
  }
  pool_.retired(generation, header.number);
}

// First the header, then the mark, and of its block no byte more: in any other way a cut in between
// would look like damage.
Result<void> Caretaker::make_blank(const SegmentHeader& header) {
  AlignedBuffer block(log_block);
  const auto got = device_.read(header.number, segment_header_area, block.bytes(), log_block);
  if (!got) return propagate(Error(got.error()));
  const std::string blank(segment_header_area, '\0');
  if (auto done = write_blocks(device_, header.number, 0, blank); !done) return done;
  const std::string mark = encode_given_up(header.generation);
  std::memcpy(block.bytes(), mark.data(), mark.size());
  return device_.write_durable(header.number, segment_header_area, block.view());
}

void Caretaker::retire_free() {
  const auto free = pool_.with_table([](SegmentTable& table) { return table.free(); });
  for (const std::uint32_t generation : free) retire(generation);
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
      closed.push_back(segment.outline());
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
  for (const MessageOffsets& slice : slices(closed)) {
    auto written = write_states(closed, slice, through_sequence, cancelled);
    if (!written) return written;
  }
  if (auto written = write_in_pieces(std::move(lists), cancelled); !written) return written;
  pool_.checkpoint_done(through);
  return {};
}

Result<void> Caretaker::compact(const std::atomic<bool>& cancelled) {
  const std::uint32_t newest_closed =
      pool_.with_table([](SegmentTable& table) { return table.newest_closed(); });
  LogCompaction compaction(
      device_, pool_, writer_.batch_size_max(),
      {.write = [&](std::vector<LogItem>& items) { return write_piece(items, cancelled); },
       .meanwhile = [&] { make_spares(cancelled); },
       .after_segment = [&] { retire_free(); }},
      cancelled);
  auto done = compaction.run();
  pool_.compaction_ended(newest_closed, done ? compaction.moved() : 0);
  return done;
}

std::vector<MessageOffsets> Caretaker::slices(const std::vector<Segment>& closed) {
  std::set<std::uint32_t> spoken_of;
  for (const Segment& segment : closed) {
    spoken_of.insert(segment.settlements_of.begin(), segment.settlements_of.end());
  }
  std::vector<MessageOffsets> found;
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
      found.back().emplace(generation, target->live.offsets());
    }
  });
  return found;
}

Result<void> Caretaker::write_states(const std::vector<Segment>& closed,
                                     const MessageOffsets& slice, std::uint64_t through_sequence,
                                     const std::atomic<bool>& cancelled) {
  StateGatherer states(device_, slice, [&] { make_spares(cancelled); });
  for (const Segment& segment : closed) {
    if (auto read = states.read(segment, cancelled); !read) return read;
  }
  std::vector<LogItem> items;
  items.reserve(states.settled().size());
  for (const auto& [place, id] : states.settled()) {
    LogItem item;
    item.record.type = RecordType::settlement;
    item.record.whole = true;
    item.record.id = id;
    item.record.target = place;
    item.record.order = {through_sequence, std::numeric_limits<std::uint32_t>::max()};
    item.covers = closed.back().header.generation;
    item.body = mail::encode(mail::as_settlement(states.state_of(place)));
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
