// The part of the writer that serves the caretaker.
#include <algorithm>
#include <utility>

#include "backends/iouring/log_writer.h"

namespace brevdue::backends {

namespace {
constexpr std::chrono::milliseconds look_again{10};
// What is under way, a checkpoint, what it set free, and once more: a caretaker that made no room
// by then will not.
constexpr std::uint64_t rounds_max = 4;
}  // namespace

Result<void> LogWriter::do_upkeep(std::vector<LogItem>& items) {
  Upkeep upkeep{items, {}, false};
  std::unique_lock lock(mutex_);
  if (stop_) return fail(ErrorCode::cancelled, "stopping");
  if (waits_for_segment_) return fail(ErrorCode::busy, "a segment must be made first");
  upkeep_ = &upkeep;
  // Else it passes when what is in flight has landed.
  if (turn_ == Turn::of_submitter) pass_turn(Turn::of_run);
  rouse(awaits_disk_);
  upkeep_done_.wait(lock, [&] { return upkeep.done; });
  return std::move(upkeep.result);
}

bool LogWriter::await_rest(std::chrono::nanoseconds at_most) {
  std::unique_lock lock(mutex_);
  rest_is_awaited_ = true;
  const bool came = came_to_rest_.wait_for(lock, at_most, [&] { return !rest_is_awaited_; });
  rest_is_awaited_ = false;
  return came;
}

void LogWriter::tell_of_rest() {
  const std::lock_guard lock(mutex_);
  rest_is_awaited_ = false;
  came_to_rest_.notify_one();
}

void LogWriter::carry_out_upkeep(std::unique_lock<std::mutex>& lock) {
  Upkeep& upkeep = *std::exchange(upkeep_, nullptr);
  lock.unlock();
  carry_out(upkeep);
  lock.lock();
  upkeep.done = true;
  upkeep_done_.notify_one();
}

// What is discarded makes room only once the caretaker has followed.
bool LogWriter::upkeep_made_room(std::span<const LogItem> items) {
  std::uint64_t bytes = 0;
  for (const LogItem& item : items) {
    if (item.record.type != RecordType::message) bytes += item.record.size();
  }
  if (bytes == 0) return false;
  bytes = round_up_to_block(bytes + batch_header_size);
  const auto admitted = [&] { return pool_.admits(Purpose::settlement, bytes, remaining()); };
  if (admitted()) return false;
  const std::uint64_t last_round = pool_.rounds() + rounds_max;
  while (!admitted() && pool_.upkeep_may_make_room() && pool_.rounds() < last_round) {
    std::unique_lock lock(mutex_);
    work_.wait_for(lock, look_again, [&] { return upkeep_ != nullptr; });
    if (upkeep_ != nullptr) carry_out_upkeep(lock);
  }
  return true;
}

void LogWriter::carry_out(Upkeep& upkeep) {
  if (!land_all() || pool_.failed()) {
    upkeep.result = fail(ErrorCode::unavailable, "the log failed earlier");
    return;
  }
  const bool moves = upkeep.items.front().moves.has_value();
  moves ? write_moves(upkeep) : write_checkpoint_records(upkeep);
}

Result<void> LogWriter::write_and_land(std::span<LogItem> items) {
  Result<void> written = write(items, Purpose::upkeep);
  const Result<void> landed = land_all();
  return written ? landed : written;
}

void LogWriter::write_checkpoint_records(Upkeep& upkeep) {
  pool_.with_table([&](SegmentTable& table) {
    for (LogItem& item : upkeep.items) {
      if (item.record.type != RecordType::survivors) continue;
      const Segment* target = table.find(item.record.target.generation);
      item.body = encode_survivors(target == nullptr ? std::vector<std::uint32_t>()
                                                     : target->live.offsets());
    }
  });
  for (LogItem& item : upkeep.items) item.record.first = item.body;
  upkeep.result = write_and_land(upkeep.items);
  if (has_segment_) pool_.note_upkeep(segment_.generation);
}

// All in one batch: a cut keeps the message where it was or where it goes, never neither nor both.
void LogWriter::write_moves(Upkeep& upkeep) {
  pool_.with_table([&](SegmentTable& table) {
    std::erase_if(upkeep.items, [&](const LogItem& item) {
      return !table.is_live(*item.moves) || table.settled_since_watch(*item.moves);
    });
  });
  for (LogItem& item : upkeep.items) {
    if (item.record.type != RecordType::message) item.record.first = item.body;
  }
  BREVDUE_ASSERT(bytes_of(upkeep.items) <= batch_size_max());
  upkeep.result = write_and_land(upkeep.items);
}

}  // namespace brevdue::backends
