#include "backends/iouring/log_writer.h"

#include <algorithm>
#include <limits>
#include <random>
#include <variant>

#include <fmt/format.h>

#include "backends/iouring/batch_builder.h"
#include "backends/iouring/block_write.h"

namespace brevdue::backends {

namespace {
constexpr std::chrono::seconds look_at_space_every{1};

std::uint64_t make_salt() {
  std::random_device random;
  const std::uint64_t upper = random();
  return upper << 32 | random();
}

bool is_content(const LogItem& item) {
  return item.record.type == RecordType::message;
}
}  // namespace

Purpose purpose_of(std::span<const LogItem> items) {
  return std::ranges::any_of(items, is_content) ? Purpose::content : Purpose::settlement;
}

std::uint64_t bytes_of(std::span<const LogItem> items) {
  std::uint64_t bytes = batch_header_size;
  for (const LogItem& item : items) bytes += item.record.size();
  return bytes;
}

Result<void> LogWriter::begin(const SegmentHeader* newest, const SegmentEnd& end) {
  if (newest == nullptr) return {};
  generation_ = newest->generation;
  run_ = end.run + 1;
  sequence_ = end.last_sequence;
  durable_ = sequence_;
  if (end.sealed || end.offset >= newest->footer_offset()) return {};
  if (newest->size != segment_size_) {
    const SegmentFooter footer{end.offset, sequence_};
    return write_blocks(device_, newest->number, newest->footer_offset(), encode(footer, *newest));
  }
  segment_ = *newest;
  has_segment_ = true;
  set_position(end.offset);
  return write_empty_batch();
}

Result<void> LogWriter::write_empty_batch() {
  AlignedBuffer block(log_block);
  BatchBuilder empty({block.bytes(), block.size()}, segment_, offset_);
  const auto bytes =
      empty.finish({.run = run_, .sequence = sequence_ + 1, .durable_through = sequence_});
  if (auto done = device_.write_durable(segment_.number, offset_, bytes); !done) return done;
  durable_ = empty_ = ++sequence_;
  set_position(offset_ + log_block);
  return {};
}

// Whether it gets there makes no difference to what was acknowledged.
void LogWriter::close() {
  const bool all_is_durable = !pool_.failed() && writes_.empty() && durable_ == sequence_;
  if (!all_is_durable || !has_segment_ || sequence_ == empty_) return;
  if (remaining() >= log_block) {
    static_cast<void>(write_empty_batch());
    return;
  }
  // The next start leaves the full segment anyway.
  const SegmentFooter footer{offset_, sequence_};
  static_cast<void>(
      write_blocks(device_, segment_.number, segment_.footer_offset(), encode(footer, segment_)));
}

Result<void> LogWriter::open_first_segment() {
  return has_segment_ ? Result<void>() : next_segment(Purpose::upkeep);
}

void LogWriter::set_position(std::uint32_t offset) {
  offset_ = offset;
  remaining_.store(has_segment_ ? segment_.footer_offset() - offset : 0, std::memory_order_relaxed);
}

void LogWriter::run() {
  if (auto begun = writes_.begin(); !begun) {
    (void)fail_for_good(std::move(begun.error()));
  }
  std::unique_lock lock(mutex_);
  ready_ = true;
  is_ready_.notify_one();
  bool upkeep_is_next = false;  // else it would never come while mail comes without a pause
  while (true) {
    if (writes_.empty()) wait_for_turn(lock);
    if (!submitted_.empty() && !(upkeep_is_next && upkeep_ != nullptr)) {
      upkeep_is_next = true;
      auto submitted = std::exchange(submitted_, {});
      lock.unlock();
      for (Commit& commit : submitted) {
        commits_.push_back(std::move(commit));
        take_up(commits_.back());
        answer_durable();
      }
      lock.lock();
    } else if (upkeep_ != nullptr) {
      upkeep_is_next = false;
      carry_out_upkeep(lock);
    } else if (!writes_.empty()) {
      awaits_disk_ = true;
      lock.unlock();
      (void)land();  // Who was in flight has been told of a failure.
      lock.lock();
      awaits_disk_ = false;
    } else {
      return;
    }
    if (poke_ && !stop_) end_turn(lock);
  }
}

void LogWriter::wait_until_ready() {
  std::unique_lock lock(mutex_);
  is_ready_.wait(lock, [&] { return ready_; });
}

// The writer waits for the disk while something is in flight, else for work.
void LogWriter::rouse(bool awaits_disk) {
  if (awaits_disk) {
    writes_.wake();
  } else {
    work_.notify_one();
  }
}

void LogWriter::take_up(Commit& commit) {
  if (pool_.failed()) return refuse_all(commit);
  commit.results.resize(commit.batch.size());
  look_at_free_space();
  commit.items = items_of(commit.batch, commit.results);
  if (upkeep_made_room(commit.items)) commit.items = items_of(commit.batch, commit.results);
  refuse_what_does_not_fit(commit.items, commit.results);
  write_items(commit);
}

void LogWriter::write_items(Commit& commit) {
  const auto written = write(commit.items, purpose_of(commit.items));
  for (const LogItem& item : commit.items) {
    // After a failed write nothing of the batch counts, not even what was written before it.
    if (!written && (!item.at || pool_.failed())) {
      commit.results[item.index] = std::unexpected(written.error());
    } else if (item.record.type == RecordType::message) {
      commit.results[item.index] = item.at->opaque();
    }
  }
  commit.through = durable_ + in_flight_.size();
}

void LogWriter::refuse_all(Commit& commit) {
  commit.results.resize(commit.batch.size());
  for (auto& result : commit.results) {
    result = fail(ErrorCode::unavailable, "the log failed earlier; it must be opened anew");
  }
  commit.through = durable_ + in_flight_.size();
}

void LogWriter::answer_durable() {
#ifdef BREVDUE_MUTANT_IOURING_EARLY_ANSWER
  for (std::size_t i = 0; i < commits_.size(); ++i) {
    if (commits_[i].through == Commit::unfinished) continue;
    auto done = std::exchange(commits_[i].done, [](queue::BatchResults) {});
    done(std::exchange(commits_[i].results, queue::BatchResults(commits_[i].batch.size())));
  }
#endif
  while (!commits_.empty() && commits_.front().through <= durable_) {
    Commit commit = std::move(commits_.front());
    commits_.pop_front();
    commit.done(std::move(commit.results));
  }
}

Result<void> LogWriter::land() {
  return landed(writes_.await());
}

Result<void> LogWriter::landed(Result<unsigned> count) {
  if (!count) {
    in_flight_.clear();
    auto failed = fail_for_good(std::move(count.error()));
    for (Commit& commit : commits_) {
      if (commit.through == Commit::unfinished) continue;
      for (const LogItem& item : commit.items) commit.results[item.index] = failed;
      commit.through = durable_;
    }
    answer_durable();
    return failed;
  }
  for (unsigned i = 0; i < *count; ++i) {
    ++durable_;
    enter_in_table(in_flight_.front());
    in_flight_.pop_front();
  }
  answer_durable();
  if (in_flight_.empty() && rest_is_awaited_.load(std::memory_order_relaxed)) tell_of_rest();
  return {};
}

Result<void> LogWriter::land_all() {
  while (!writes_.empty()) {
    if (auto landed = land(); !landed) return landed;
  }
  return {};
}

// Messages first: what a batch adds is never durable later than what it removes. What concerns a
// message that is already gone needs no record.
std::vector<LogItem> LogWriter::items_of(queue::Batch& batch, queue::BatchResults& results) {
  std::vector<LogItem> items;
  items.reserve(batch.size());
  const SegmentHeader fresh{.size = segment_size_};
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const auto* enqueue = std::get_if<queue::Enqueue>(&batch[i]);
    if (enqueue == nullptr) continue;
    LogItem item{.index = i};
    item.record.type = RecordType::message;
    item.record.id = enqueue->id;
    item.record.first = enqueue->envelope.view();
    item.record.second = enqueue->content.view();
    if (item.record.size() + batch_header_size > fresh.capacity()) {
      results[i] = fail(ErrorCode::too_large,
                        fmt::format("message {} is larger than a segment", enqueue->id.text()));
      continue;
    }
    items.push_back(std::move(item));
  }
  pool_.with_table([&](SegmentTable& table) {
    for (std::size_t i = 0; i < batch.size(); ++i) {
      LogItem item{.index = i};
      const queue::Location* location = nullptr;
      if (const auto* settle = std::get_if<queue::Settle>(&batch[i])) {
        location = &settle->location;
        item.record.type = RecordType::settlement;
        item.record.id = settle->id;
        item.record.whole = settle->whole.has_value();
        item.body = mail::encode(settle->whole ? *settle->whole : settle->settlement);
      } else if (const auto* discard = std::get_if<queue::Discard>(&batch[i])) {
        location = &discard->location;
        item.record.type = RecordType::tombstone;
        item.record.id = discard->id;
      } else {
        continue;
      }
      const LogLocation at = table.now(LogLocation::of(*location));
      results[i] = at.opaque();
      item.record.target = at.place;
      item.target_size = at.size;
      if (!table.is_live(at.place)) continue;
      item.record.order.index = static_cast<std::uint32_t>(i);
      items.push_back(std::move(item));
      items.back().record.first = items.back().body;
      if (items.back().record.size() + batch_header_size <= fresh.capacity()) continue;
      results[i] = fail(ErrorCode::too_large, "settlement is larger than a segment");
      items.pop_back();
    }
  });
  return items;
}

void LogWriter::refuse_what_does_not_fit(std::vector<LogItem>& items,
                                         queue::BatchResults& results) {
  const auto refuse = [&](auto concerns) {
    for (const LogItem& item : items) {
      if (!concerns(item)) continue;
      results[item.index] = fail(ErrorCode::storage_full, "the log has no room for it");
    }
    std::erase_if(items, concerns);
  };
  if (purpose_of(items) == Purpose::content) {
    if (pool_.admits(Purpose::content, round_up_to_block(bytes_of(items)), remaining())) return;
    refuse(is_content);
  }
  if (items.empty()) return;
  if (pool_.admits(Purpose::settlement, round_up_to_block(bytes_of(items)), remaining())) return;
  refuse([](const LogItem&) { return true; });
}

std::uint32_t LogWriter::batch_size_max() const {
  const SegmentHeader fresh{.size = segment_size_};
  return std::min(fresh.capacity(), WritesInFlight::size_max);
}

Result<void> LogWriter::write(std::span<LogItem> items, Purpose purpose) {
  while (!items.empty()) {
    std::uint64_t size = batch_header_size;
    std::size_t count = 0;
    const std::uint64_t size_max = batch_size_max();
    while (count < items.size()) {
      const std::uint64_t more = items[count].record.size();
      if (count > 0 && size + more > size_max) break;
      size += more;
      ++count;
    }
    if (round_up_to_block(size) > remaining()) {
      if (auto opened = next_segment(purpose); !opened) return opened;
    }
    auto written = write_one_batch(items.first(count), static_cast<std::uint32_t>(size));
    if (!written) return written;
    items = items.subspan(count);
  }
  return {};
}

Result<void> LogWriter::write_one_batch(std::span<LogItem> items, std::uint32_t size) {
  const std::uint32_t padded = round_up_to_block(size);
  std::span<char> memory = writes_.memory_for(padded);
  while (memory.empty()) {
    if (auto landed = land(); !landed) return landed;
    memory = writes_.memory_for(padded);
  }
  BatchBuilder builder(memory, segment_, offset_);
  RecordPlace message;
  for (LogItem& item : items) {
    LogRecord& record = item.record;
    if (record.type != RecordType::message) record.first = item.body;
    if (record.type == RecordType::settlement) {
      if (item.moves) record.target = message;
      if (!item.covers) record.order.sequence = sequence_ + 1;
    }
    const std::uint32_t offset = builder.add(record);
    if (record.type == RecordType::message) message = {segment_.generation, offset};
    item.at = LogLocation{{segment_.generation, offset}, static_cast<std::uint32_t>(record.size())};
  }
  const auto bytes =
      builder.finish({.run = run_, .sequence = sequence_ + 1, .durable_through = durable_});
  BREVDUE_ASSERT(bytes.size() == padded);
  ++sequence_;
  in_flight_.push_back(items);
  if (!writes_.start(sequence_, segment_.number, offset_, bytes)) refused_ = true;
  set_position(offset_ + padded);
  return {};
}

void LogWriter::enter_in_table(std::span<const LogItem> items) {
  bool emptied = false;
  pool_.with_table([&](SegmentTable& table) {
    Segment& home = *table.find(segment_.generation);
    const LogLocation& last = *items.back().at;
    home.end = round_up_to_block(last.place.offset + last.size);
    RecordPlace message;
    for (const LogItem& item : items) {
      const RecordPlace target = item.record.target;
      switch (item.record.type) {
        case RecordType::message:
          message = item.at->place;
          home.live.append(message.offset);
          home.live_bytes += item.record.size();
          break;
        case RecordType::tombstone:
          table.note_tombstone(segment_.generation, target.generation);
          if (item.moves) {
            table.moved(target, message, item.target_size);
          } else {
            table.discard(target, item.target_size);
          }
          if (const Segment* segment = table.find(target.generation)) {
            emptied = emptied || (segment->closed && segment->live.size() == 0);
          }
          break;
        case RecordType::survivors:
          table.note_tombstone(segment_.generation, target.generation);
          break;
        case RecordType::settlement:
          if (item.covers) {
            table.note_checkpointed(item.at->place, target, *item.covers);
          } else {
            table.note_settlement(item.at->place, target);
          }
          break;
      }
    }
  });
  if (emptied) pool_.nudge();
}

// Who makes segments may be waiting for this thread with records of a checkpoint: it is sent back
// to its work.
Result<std::uint32_t> LogWriter::take_segment(Purpose purpose) {
  auto number = pool_.take(purpose, SegmentPool::Patience::none);
  if (number || number.error().code != ErrorCode::busy || purpose == Purpose::upkeep) return number;
  {
    const std::lock_guard lock(mutex_);
    waits_for_segment_ = true;
    if (upkeep_ != nullptr) {
      upkeep_->result = fail(ErrorCode::busy, "a segment must be made first");
      upkeep_->done = true;
      upkeep_ = nullptr;
      upkeep_done_.notify_one();
    }
  }
  number = pool_.take(purpose, SegmentPool::Patience::until_made);
  const std::lock_guard lock(mutex_);
  waits_for_segment_ = false;
  return number;
}

Result<void> LogWriter::next_segment(Purpose purpose) {
  if (auto landed = land_all(); !landed) return landed;
  auto number = take_segment(purpose);
  if (!number) return propagate(std::move(number.error()));
  remaining_.store(0, std::memory_order_relaxed);
  if (has_segment_) {
    const SegmentFooter footer{offset_, sequence_};
    auto done =
        write_blocks(device_, segment_.number, segment_.footer_offset(), encode(footer, segment_));
    if (!done) return fail_for_good(std::move(done.error()));
  }
  SegmentHeader next{.number = *number,
                     .size = segment_size_,
                     .generation = generation_ + 1,
                     .run = run_,
                     .first_sequence = sequence_ + 1,
                     .salt = make_salt()};
  if (auto done = write_blocks(device_, next.number, 0, encode(next)); !done) {
    return fail_for_good(std::move(done.error()));
  }
  pool_.with_table([&](SegmentTable& table) {
    if (has_segment_) {
      table.find(segment_.generation)->close(offset_);
    }
    table.add(
        {.header = next, .file_size = next.size, .end = segment_header_area, .closed = false});
  });
  pool_.nudge();
  generation_ = next.generation;
  segment_ = next;
  has_segment_ = true;
  set_position(segment_header_area);
  return {};
}

std::unexpected<Error> LogWriter::fail_for_good(Error error) {
  pool_.give_up();
  // The device's own word (a full disk, say) must not be taken for a refusal: what was being
  // written is in doubt.
  error.code = ErrorCode::io_failure;
  return propagate(std::move(error), "log");
}

void LogWriter::look_at_free_space() {
  const auto now = std::chrono::steady_clock::now();
  if (now - space_known_at_ < look_at_space_every) return;
  space_known_at_ = now;
  if (auto space = device_.free_space()) pool_.set_free_space(*space);
}

}  // namespace brevdue::backends
