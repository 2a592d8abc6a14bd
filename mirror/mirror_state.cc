#include "mirror/mirror_state.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "mirror/copier.h"

namespace brevdue::mirror {

using queue::Batch;
using queue::BatchDone;
using queue::BatchResults;
using queue::Store;

MirroredStore::State::State(std::array<MirrorSide, sides> parts, MirrorOptions options)
    : options_(std::move(options)) {
  for (std::size_t i = 0; i < sides; ++i) take_in(sides_[i], std::move(parts[i]));
}

void MirroredStore::State::take_in(Side& side, MirrorSide part) {
  side.name = std::move(part.name);
  side.store = std::move(part.store);
  side.note_partner_stale = std::move(part.note_partner_stale);
  side.copy_beside = std::move(part.copy_beside);
  side.note_whole = std::move(part.note_whole);
  side.complete = false;
  side.progress = {.since = std::chrono::steady_clock::now()};
  side.standing = part.is_behind ? Standing::behind : Standing::current;
  if (side.store == nullptr) side.standing = Standing::left;
}

// One that cannot be started is stale before anything is acknowledged without it.
Result<void> MirroredStore::State::start_sides() {
  std::array<std::optional<Error>, sides> failed;
  for (std::size_t i = 0; i < sides; ++i) {
    if (sides_[i].store == nullptr) continue;
    auto done = sides_[i].store->start();
    if (done) continue;
    done.error().context = sides_[i].name + ": " + done.error().context;
    failed[i] = std::move(done.error());
    sides_[i].store.reset();
  }
  for (std::size_t i = 0; i < sides; ++i) {
    if (!failed[i]) continue;
    const Side& other = sides_[1 - i];
    if (other.store == nullptr || other.standing != Standing::current) {
      return std::unexpected(std::move(*failed[i]));
    }
    if (auto noted = other.note_partner_stale(); !noted) {
      return propagate(std::move(noted.error()), other.name);
    }
    sides_[i].standing = Standing::left;
    sides_[i].why = describe(*failed[i]);
    notice(fmt::format("mirror: {} is left: it cannot be started ({}); mail goes on with {} alone",
                       sides_[i].name, describe(*failed[i]), other.name));
  }
  return {};
}

Result<void> MirroredStore::State::start() {
  if (auto done = start_sides(); !done) return done;
  watcher_ = std::thread([this] { watch(); });
  copier_ = std::thread([this] { Copier(*this).run(); });
  if (options_.started) options_.started();
  return {};
}

std::string MirroredStore::State::name(std::size_t side) const {
  const std::lock_guard lock(mutex_);
  return sides_[side].name;
}

std::string MirroredStore::State::why_left(std::size_t side) const {
  const std::lock_guard lock(mutex_);
  return sides_[side].why;
}

void MirroredStore::State::notice(const std::string& text, Notice kind) const {
  if (options_.notice) options_.notice(kind, text);
}

std::shared_ptr<Store> MirroredStore::State::store(std::size_t side) const {
  const std::lock_guard lock(mutex_);
  return sides_[side].standing == Standing::current ? sides_[side].store : nullptr;
}

bool MirroredStore::State::takes_part(std::size_t side) const {
  return sides_[side].standing == Standing::current || sides_[side].standing == Standing::behind;
}

unsigned MirroredStore::State::depth() const {
  const std::lock_guard lock(mutex_);
  unsigned least = UINT32_MAX;
  for (std::size_t side = 0; side < sides; ++side) {
    if (takes_part(side)) least = std::min(least, sides_[side].store->depth());
  }
  return least == UINT32_MAX ? 1 : least;
}

bool MirroredStore::State::is_current(std::size_t side) const {
  const std::lock_guard lock(mutex_);
  return sides_[side].standing == Standing::current && !failed_;
}

SideState MirroredStore::State::state_of(std::size_t side) const {
  const std::lock_guard lock(mutex_);
  switch (sides_[side].standing) {
    case Standing::current:
      return SideState::current;
    case Standing::behind:
      return SideState::behind;
    case Standing::leaving:
    case Standing::left:
      break;
  }
  return SideState::left;
}

std::size_t MirroredStore::State::next_reader() {
  const std::lock_guard lock(mutex_);
  reader_ = 1 - reader_;
  return reader_;
}

// A side that is being left counts until the other has noted it; one that came after the batch was
// asked does not.
std::array<bool, sides> MirroredStore::State::counting(const MirroredBatch& batch) const {
  return {sides_[0].standing != Standing::left && batch.was_sent(0),
          sides_[1].standing != Standing::left && batch.was_sent(1)};
}

void MirroredStore::State::submit(Batch batch, BatchDone done) {
  std::array<std::shared_ptr<Store>, sides> stores;
  std::array<Batch, sides> parts;
  std::array<unsigned, sides> generations{};
  std::uint64_t number = 0;
  const std::lock_guard one_at_a_time(submitting_);
  {
    Lock lock(mutex_);
    MirroredBatch& waiting = waiting_.emplace_back(batch, std::move(done));
    number = first_number_ + waiting_.size() - 1;
    for (std::size_t side = 0; side < sides; ++side) {
      if (failed_ || !takes_part(side)) continue;
      stores[side] = sides_[side].store;
      generations[side] = sides_[side].generation;
      parts[side] = waiting.batch_for(side, number, batch, pairs_, copies_,
                                      std::exchange(taken_back_[side], {}));
    }
    if (failed_) return advance(lock);
  }
  for (std::size_t side = 0; side < sides; ++side) {
    if (stores[side] == nullptr) continue;
    auto done_there = [self = shared_from_this(), side, number,
                       generation = generations[side]](BatchResults results) {
      self->answered(side, generation, number, std::move(results));
    };
    if (parts[side].empty()) {
      done_there({});
    } else {
      stores[side]->submit(std::move(parts[side]), std::move(done_there));
    }
  }
}

void MirroredStore::State::answered(std::size_t side, unsigned generation, std::uint64_t number,
                                    BatchResults results) {
  Lock lock(mutex_);
  // Of a side that hung, after all was answered without it.
  if (generation != sides_[side].generation || sides_[side].standing == Standing::left) return;
  if (number < first_number_ || number - first_number_ >= waiting_.size()) return;
  waiting_[number - first_number_].answer(side, std::move(results));
  advance(lock);
}

// One thread at a time gives results, so that they keep their order; what becomes ready meanwhile
// it gives as well.
void MirroredStore::State::advance(Lock& lock) {
  if (std::exchange(advancing_, true)) return;
  while (!waiting_.empty() && finish_first(lock)) {
  }
  advancing_ = false;
  if (awaited_ > 0) changed_.notify_all();
}

bool MirroredStore::State::finish_first(Lock& lock) {
  MirroredBatch& first = waiting_.front();
  BatchResults results;
  if (!failed_) {
    const auto counts = counting(first);
    std::optional<std::size_t> behind;
    for (std::size_t side = 0; side < sides; ++side) {
      if (sides_[side].standing == Standing::behind) behind = side;
    }
    if (const auto side = first.failed_side(counts, behind); side) {
      begin_to_leave(
          *side, side == behind ? "a write failed, or it has no room" : "a write or a sync failed");
    }
    if (!failed_) {
      for (std::size_t side = 0; side < sides; ++side) {
        if (sides_[side].standing == Standing::leaving) return false;
        // One that was sent while a side was being left went to the other only.
        if (counts[side] && !first.answered(side)) return false;
      }
      results = first.merge(counts, pairs_, taken_back_);
    }
  }
  MirroredBatch finished = std::move(first);
  waiting_.pop_front();
  ++first_number_;
  // The batch that was to be given when all failed is in doubt; what comes later was never tried.
  const auto code =
      std::exchange(failure_told_, failed_) ? ErrorCode::unavailable : ErrorCode::io_failure;
  const bool failed = failed_;
  lock.unlock();
  if (failed) {
    finished.fail_all(code, "no side of the mirror is left");
  } else {
    finished.finish(std::move(results));
  }
  lock.lock();
  return true;
}

void MirroredStore::State::begin_to_leave(std::size_t side, const std::string& why) {
  if (!takes_part(side)) return;
  if (sides_[1 - side].standing != Standing::current) {
    return fail_everything(sides_[side].name + ": " + why);
  }
  sides_[side].standing = Standing::leaving;
  sides_[side].why = why;
  changed_.notify_all();
}

void MirroredStore::State::fail_everything(const std::string& why) {
  if (std::exchange(failed_, true)) return;
  notice("mirror: " + why + "; no side is left, nothing more is acknowledged");
  changed_.notify_all();
}

// A side is behind when the other has answered a batch long ago. One that is alone may take its
// time: there is nobody to go on without it.
std::optional<std::size_t> MirroredStore::State::stalled(
    std::chrono::steady_clock::time_point now) const {
  if (waiting_.empty() || failed_) return std::nullopt;
  const MirroredBatch& first = waiting_.front();
  if (!first.first_answer() || now - *first.first_answer() < options_.stall_max) {
    return std::nullopt;
  }
  for (std::size_t side = 0; side < sides; ++side) {
    if (!takes_part(side) || sides_[1 - side].standing != Standing::current) continue;
    if (first.was_sent(side) && !first.answered(side)) return side;
  }
  return std::nullopt;
}

void MirroredStore::State::watch() {
  constexpr std::chrono::milliseconds often{5};
  constexpr std::chrono::milliseconds seldom{500};
  const auto pause = std::clamp(options_.stall_max / 8, often, seldom);
  Lock lock(mutex_);
  while (!stopping_) {
    if (const auto side = stalled(std::chrono::steady_clock::now()); side) {
      begin_to_leave(*side, fmt::format("no answer for {} ms after the other side's",
                                        options_.stall_max.count()));
    }
    bool to_do = false;
    for (std::size_t side = 0; side < sides; ++side) {
      if (failed_) break;
      if (sides_[side].standing == Standing::leaving) leave(lock, side);
      if (sides_[side].standing == Standing::behind && sides_[side].complete) {
        count_again(lock, side);
      }
    }
    for (const Side& side : sides_) to_do |= !failed_ && side.standing == Standing::leaving;
    if (!to_do && !stopping_) changed_.wait_for(lock, pause);
  }
}

void MirroredStore::State::leave(Lock& lock, std::size_t side) {
  Side& left = sides_[side];
  const Side& other = sides_[1 - side];
  lock.unlock();
  const auto noted = other.note_partner_stale();
  lock.lock();
  if (!noted) {
    fail_everything(fmt::format("{}: {}, and {} could not note it ({})", left.name, left.why,
                                other.name, describe(noted.error())));
  } else {
    left.standing = Standing::left;
    for (MirroredBatch& batch : waiting_) batch.forget(side);
    bury(side);
    notice(fmt::format("mirror: {} is left: {}; mail goes on with {} alone", left.name, left.why,
                       other.name));
  }
  advance(lock);
  changed_.notify_all();
}

// Until the last note is durable the side cannot stand alone; whatever fails here, it is left.
void MirroredStore::State::count_again(Lock& lock, std::size_t side) {
  Side& whole = sides_[side];
  lock.unlock();
  const auto noted = whole.note_whole();
  lock.lock();
  if (!noted) {
    begin_to_leave(side, "that it has everything cannot be noted: " + describe(noted.error()));
  } else if (whole.standing == Standing::behind) {
    whole.standing = Standing::current;
    notice(fmt::format("mirror: {} has everything again: {} messages, {} MiB were copied",
                       whole.name, whole.progress.messages, whole.progress.bytes >> 20),
           Notice::news);
  }
  changed_.notify_all();
}

// Whoever took it to read or to submit gives it back first: it ends here, not there.
static void end(std::shared_ptr<Store> store) {
  while (store.use_count() > 1) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

// A side that hangs ends when it ends; nobody waits for it.
void MirroredStore::State::bury(std::size_t side) {
  sides_[side].has_ended = false;
  std::thread([self = shared_from_this(), &buried = sides_[side],
               store = std::move(sides_[side].store)]() mutable {
    {
      Lock lock(self->mutex_);
      self->changed_.wait(lock, [&] { return buried.scanning != Scan::entered; });
    }
    end(std::move(store));
    const Lock lock(self->mutex_);
    buried.has_ended = true;
  }).detach();
}

Result<void> MirroredStore::State::scan(
    std::size_t side, const std::function<Result<void>(Store&, const Begun& begun)>& scan) {
  Store* store = nullptr;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || failed_ || !takes_part(side)) {
      return fail(ErrorCode::cancelled, sides_[side].name + " takes no part");
    }
    sides_[side].scanning = Scan::entered;
    store = sides_[side].store.get();
  }
  auto result = scan(*store, [&] {
    const std::lock_guard lock(mutex_);
    Scan& scanning = sides_[side].scanning;
    if (std::exchange(scanning, Scan::begun) == Scan::entered) changed_.notify_all();
  });
  const std::lock_guard lock(mutex_);
  sides_[side].scanning = Scan::none;
  changed_.notify_all();
  return result;
}

void MirroredStore::State::recovery_begins() {
  const std::lock_guard lock(mutex_);
  recovering_ = true;
}

void MirroredStore::State::recovery_ends() {
  const std::lock_guard lock(mutex_);
  recovering_ = false;
  recovered_ = true;
  look_for_lacks_ = true;
  changed_.notify_all();
}

Result<void> MirroredStore::State::leave_and_wait(std::size_t side, const std::string& why) {
  Lock lock(mutex_);
  begin_to_leave(side, why);
  advance(lock);
  const Side& left = sides_[side];
  changed_.wait(lock, [&] { return stopping_ || failed_ || left.standing == Standing::left; });
  if (left.standing == Standing::left) return {};
  return fail(ErrorCode::unavailable, left.name + ": " + why + "; no side of the mirror is left");
}

Result<void> MirroredStore::State::join(std::size_t side, MirrorSide part) {
  {
    const Lock lock(mutex_);
    Side& joining = sides_[side];
    if (stopping_ || failed_) return fail(ErrorCode::unavailable, "the queue is being opened anew");
    if (joining.standing != Standing::left || !joining.has_ended) {
      return fail(ErrorCode::busy, joining.name + " takes part, or its disk has yet to answer");
    }
    pairs_.forget_side(side);
    taken_back_[side].clear();
    ++joining.generation;
    take_in(joining, std::move(part));
    look_for_lacks_ = true;
  }
  changed_.notify_all();
  return {};
}

void MirroredStore::State::stop() {
  Lock lock(mutex_);
  // The watcher still leaves a side that hangs meanwhile.
  ++awaited_;
  changed_.wait(lock, [&] { return waiting_.empty() && !advancing_; });
  stopping_ = true;
  changed_.notify_all();
  lock.unlock();
  if (watcher_.joinable()) watcher_.join();
  if (copier_.joinable()) copier_.join();
  lock.lock();
  for (Side& side : sides_) {
    changed_.wait(lock, [&] { return side.scanning != Scan::entered; });
    auto store = std::move(side.store);
    lock.unlock();
    if (store != nullptr) end(std::move(store));
    lock.lock();
  }
  changed_.wait(lock, [&] { return !recovering_; });
}

}  // namespace brevdue::mirror
