#include "backends/iouring/segment_pool.h"

#include <algorithm>
#include <utility>

namespace brevdue::backends {

namespace {
// Others fill and free the disk, too: while it holds no further segment it is asked this often.
constexpr std::chrono::seconds look_again{1};
// With fewer pinned segments than this a checkpoint is not worth its reading.
constexpr std::size_t pinned_min = 4;
}  // namespace

void SegmentPool::add_spare(std::uint32_t number) {
  const std::lock_guard lock(mutex_);
  spares_.push_back(number);
}

void SegmentPool::add_unwanted(std::uint32_t number) {
  const std::lock_guard lock(mutex_);
  unwanted_.push_back(number);
}

bool SegmentPool::has_spare() const {
  const std::lock_guard lock(mutex_);
  return !spares_.empty();
}

std::uint32_t SegmentPool::next_number() {
  const std::lock_guard lock(mutex_);
  return ++last_number_;
}

void SegmentPool::numbers_start_after(std::uint32_t number) {
  const std::lock_guard lock(mutex_);
  last_number_ = std::max(last_number_, number);
}

std::uint64_t SegmentPool::left() const {
  return spares_.size() + creatable_ + table_.reclaimable();
}

bool SegmentPool::wants_spare() const {
  return !stop_ && !failed_ && creatable_ > 0 && spares_.size() < limits_.spares_wanted;
}

bool SegmentPool::needs_spare() const {
  const std::lock_guard lock(mutex_);
  return wants_spare();
}

bool SegmentPool::coming() const {
  return !stop_ && !failed_ && (creatable_ > 0 || !table_.free().empty());
}

bool SegmentPool::admits(Purpose purpose, std::uint64_t bytes, std::uint32_t remaining) const {
  const std::lock_guard lock(mutex_);
  if (purpose == Purpose::content && below_reserve_) return false;
  const SegmentHeader fresh{.size = limits_.segment_size};
  const std::uint64_t segments =
      bytes <= remaining ? 0 : (bytes + fresh.capacity() - 1) / fresh.capacity();
  const std::uint64_t wanted = segments + static_cast<unsigned>(purpose);
  if (spares_.size() + creatable_ >= wanted || left() >= wanted) return true;
  // The last segment is for checkpoints, but only a part of it will be needed.
  return purpose == Purpose::settlement && segments == 0 &&
         remaining - bytes >= fresh.capacity() / 4;
}

Result<std::uint32_t> SegmentPool::take(Purpose purpose, Patience patience) {
  std::unique_lock lock(mutex_);
  caretaker_.notify_one();
  const auto allowed = [&] { return !spares_.empty() && left() > static_cast<unsigned>(purpose); };
  if (patience == Patience::until_made) {
    writer_.wait(lock, [&] { return failed_ || allowed() || !coming(); });
  }
  if (failed_) return fail(ErrorCode::unavailable, "the log failed earlier");
  if (!allowed() && coming()) return fail(ErrorCode::busy, "a segment is being made");
  if (!allowed()) return fail(ErrorCode::storage_full, "no segment of the log is left");
  const std::uint32_t number = spares_.back();
  spares_.pop_back();
  caretaker_.notify_one();
  return number;
}

std::uint64_t SegmentPool::room(std::uint32_t remaining) const {
  const std::lock_guard lock(mutex_);
  constexpr std::uint64_t kept = static_cast<unsigned>(Purpose::content);
  if (failed_ || below_reserve_ || left() < kept) return 0;
  const SegmentHeader fresh{.size = limits_.segment_size};
  return remaining + (left() - kept) * fresh.capacity();
}

void SegmentPool::set_free_space(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  below_reserve_ = bytes < limits_.reserve;
  const std::uint64_t usable = below_reserve_ ? 0 : bytes - limits_.reserve;
  const std::uint64_t holds = usable / limits_.segment_size;
  if (!creation_failed_) creatable_ = holds;
  if (creatable_ > 0 && spares_.size() < limits_.spares_wanted) caretaker_.notify_one();
  writer_.notify_all();
}

bool SegmentPool::tight() const {
  return creatable_ == 0 && spares_.size() <= limits_.spares_wanted;
}

// The records of a checkpoint must lie in closed segments before the next one may begin: only
// there does it look. Without an open segment they could not be written.
bool SegmentPool::checkpoint_due() const {
  if (checkpoint_failed_ || !table_.scanned() || table_.newest_closed() < last_upkeep_ ||
      !table_.has_open()) {
    return false;
  }
  const std::size_t pinned = table_.pinned();
  if (pinned == 0) return false;
  return tight() || pinned >= std::max(pinned_min, table_.occupied() / 2);
}

bool SegmentPool::compaction_due() const {
  return !spares_.empty() && table_.newest_closed() > compacted_at_ &&
         !table_.sparse(tight()).empty();
}

std::vector<std::uint32_t> SegmentPool::sparse() const {
  const std::lock_guard lock(mutex_);
  return table_.sparse(tight());
}

SegmentPool::Chores SegmentPool::chores() {
  Chores found;
  found.stop = stop_;
  if (stop_ || failed_) return found;
  found.free_generations = table_.free();
  const std::size_t keep = below_reserve_ ? limits_.spares_wanted : limits_.spares_max;
  while (spares_.size() > keep) {
    unwanted_.push_back(spares_.back());
    spares_.pop_back();
  }
  found.unwanted = std::exchange(unwanted_, {});
  found.create = found.free_generations.empty() && wants_spare();
  if (!found.free_generations.empty() || found.create) return found;
  found.checkpoint = checkpoint_due();
  found.compaction = !found.checkpoint && compaction_due();
  return found;
}

SegmentPool::Chores SegmentPool::wait_for_chores() {
  std::unique_lock lock(mutex_);
  caretaker_is_busy_ = false;
  ++rounds_;
  while (true) {
    Chores found = chores();
    caretaker_is_busy_ = !found.free_generations.empty() || found.checkpoint || found.compaction;
    if (found.stop || found.create || found.checkpoint || found.compaction ||
        !found.free_generations.empty() || !found.unwanted.empty()) {
      return found;
    }
    const bool tight = creation_failed_ || creatable_ == 0 || below_reserve_;
    if (!tight || failed_) {
      caretaker_.wait(lock);
    } else if (caretaker_.wait_for(lock, look_again) == std::cv_status::timeout) {
      creation_failed_ = false;
      found.look = !stop_ && !failed_;
      if (found.look) return found;
    }
  }
}

bool SegmentPool::upkeep_may_make_room() {
  const std::lock_guard lock(mutex_);
  if (stop_ || failed_) return false;
  caretaker_.notify_one();
  return caretaker_is_busy_ || !table_.free().empty() || checkpoint_due() || compaction_due();
}

std::uint64_t SegmentPool::rounds() const {
  const std::lock_guard lock(mutex_);
  return rounds_;
}

void SegmentPool::segment_created(std::uint32_t number) {
  const std::lock_guard lock(mutex_);
  spares_.push_back(number);
  creation_failed_ = false;
  writer_.notify_all();
}

void SegmentPool::creation_failed() {
  const std::lock_guard lock(mutex_);
  creation_failed_ = true;
  creatable_ = 0;
  writer_.notify_all();
}

void SegmentPool::space_was_freed() {
  const std::lock_guard lock(mutex_);
  creation_failed_ = false;
}

void SegmentPool::retired(std::uint32_t generation, std::optional<std::uint32_t> blank_number) {
  const std::lock_guard lock(mutex_);
  table_.remove(generation);
  if (blank_number) spares_.push_back(*blank_number);
  writer_.notify_all();
}

void SegmentPool::checkpoint_done(std::uint32_t through) {
  const std::lock_guard lock(mutex_);
  table_.forget_records(through);
}

void SegmentPool::checkpoint_failed() {
  const std::lock_guard lock(mutex_);
  checkpoint_failed_ = true;
}

void SegmentPool::compaction_ended(std::uint32_t newest_closed, std::size_t moved) {
  const std::lock_guard lock(mutex_);
  if (moved == 0) compacted_at_ = newest_closed;
}

void SegmentPool::note_upkeep(std::uint32_t generation) {
  const std::lock_guard lock(mutex_);
  last_upkeep_ = std::max(last_upkeep_, generation);
}

void SegmentPool::nudge() {
  const std::lock_guard lock(mutex_);
  caretaker_.notify_one();
}

void SegmentPool::give_up() {
  const std::lock_guard lock(mutex_);
  failed_ = true;
  writer_.notify_all();
  caretaker_.notify_all();
}

bool SegmentPool::failed() const {
  const std::lock_guard lock(mutex_);
  return failed_;
}

void SegmentPool::stop() {
  const std::lock_guard lock(mutex_);
  stop_ = true;
  writer_.notify_all();
  caretaker_.notify_all();
}

}  // namespace brevdue::backends
