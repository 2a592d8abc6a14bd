// Whose turn it is to write: that of the thread of run(), or that of the thread that submits.
#include <utility>

#include "backends/iouring/log_writer.h"

namespace brevdue::backends {

std::optional<int> LogWriter::begin_attended(std::function<void()> poke) {
  const auto descriptor = writes_.begin_attended();
  if (!descriptor) return std::nullopt;
  const std::lock_guard lock(mutex_);
  poke_ = std::move(poke);
  if (rests_ && !is_wanted()) pass_turn(Turn::of_submitter);
  return descriptor;
}

void LogWriter::pass_turn(Turn to) {
  writes_.attend(to == Turn::of_submitter);
  turn_ = to;
}

void LogWriter::wait_for_turn(std::unique_lock<std::mutex>& lock) {
  while (turn_ != Turn::of_run || !is_wanted()) {
    if (turn_ == Turn::of_run && poke_) pass_turn(Turn::of_submitter);
    rests_ = true;
    work_.wait(lock);
    rests_ = false;
  }
}

// What was submitted meanwhile is the submitter's, who can write it beside others.
void LogWriter::end_turn(std::unique_lock<std::mutex>& lock) {
  lock.unlock();
  (void)land_all();  // Who was in flight has been told of a failure.
  lock.lock();
  if (upkeep_ != nullptr || stop_) return;
  pass_turn(Turn::of_submitter);
  if (!submitted_.empty()) poke_();
}

void LogWriter::submit(queue::Batch batch, queue::BatchDone done) {
  std::unique_lock lock(mutex_);
  submitted_.push_back({std::move(batch), std::move(done)});
  if (turn_ != Turn::of_run) return write_at_once(lock);
  const bool awaits_disk = awaits_disk_;
  lock.unlock();
  rouse(awaits_disk);
}

void LogWriter::attend() {
  std::unique_lock lock(mutex_);
  if (turn_ == Turn::of_submitter_in_flight) {
    lock.unlock();
    land_ended();
    lock.lock();
  }
  if (turn_ != Turn::of_run) write_at_once(lock);
}

void LogWriter::land_ended() {
  while (auto count = writes_.poll()) {
    // Who was in flight has been told of a failure.
    (void)landed(std::move(*count));
  }
}

// As long as nobody waits for the thread of run(), whose turn it is when nothing is in flight.
void LogWriter::write_at_once(std::unique_lock<std::mutex>& lock) {
  bool fits = true;
  // What is answered here may submit more, and with that the turn may pass.
  const auto may_write = [&] {
    return turn_ != Turn::of_run && upkeep_ == nullptr && !submitted_.empty();
  };
  while (fits && may_write()) {
    turn_ = Turn::of_submitter_in_flight;
    commits_.push_back(std::move(submitted_.front()));
    submitted_.erase(submitted_.begin());
    lock.unlock();
    fits = take_up_at_once(commits_.back());
    if (fits) answer_durable();
    if (std::exchange(refused_, false)) land_ended();
    lock.lock();
    if (fits) continue;
    submitted_.insert(submitted_.begin(), std::move(commits_.back()));
    commits_.pop_back();
  }
  if (turn_ == Turn::of_run || !writes_.empty()) return;
  if (!is_wanted()) {
    turn_ = Turn::of_submitter;
    return;
  }
  pass_turn(Turn::of_run);
  work_.notify_one();
}

bool LogWriter::take_up_at_once(Commit& commit) {
  if (pool_.failed()) {
    refuse_all(commit);
    return true;
  }
  commit.results.resize(commit.batch.size());
  look_at_free_space();
  commit.items = items_of(commit.batch, commit.results);
  if (!fits_at_once(commit.items)) {
    commit.items.clear();
    commit.results.clear();
    return false;
  }
  write_items(commit);
  return true;
}

// One write in this segment, for which there is room.
bool LogWriter::fits_at_once(std::span<const LogItem> items) const {
  if (items.empty()) return true;
  const std::uint64_t bytes = bytes_of(items);
  const std::uint64_t padded = round_up_to_block(bytes);
  if (bytes > batch_size_max() || padded > remaining()) return false;
  return pool_.admits(purpose_of(items), padded, remaining()) &&
         writes_.has_memory_for(static_cast<std::uint32_t>(padded));
}

void LogWriter::stop() {
  {
    std::unique_lock lock(mutex_);
    stop_ = true;
    if (turn_ != Turn::of_run) {
      lock.unlock();
      (void)land_all();
      lock.lock();
      pass_turn(Turn::of_run);
    }
  }
  work_.notify_one();
}

}  // namespace brevdue::backends
