#include "mirror/mirror_state.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace brevdue::mirror {

using queue::Batch;
using queue::BatchDone;
using queue::BatchResults;
using queue::Store;

MirroredStore::State::State(std::array<MirrorSide, sides> parts, MirrorOptions options)
    : options_(std::move(options)) {
  for (std::size_t side = 0; side < sides; ++side) {
    names_[side] = std::move(parts[side].name);
    stores_[side] = std::move(parts[side].store);
    note_partner_stale_[side] = std::move(parts[side].note_partner_stale);
    if (stores_[side] == nullptr) standing_[side] = Standing::left;
  }
}

Result<void> MirroredStore::State::start() {
  for (std::size_t side = 0; side < sides; ++side) {
    if (stores_[side] == nullptr) continue;
    if (auto done = stores_[side]->start(); !done) {
      return propagate(std::move(done.error()), names_[side]);
    }
  }
  watcher_ = std::thread([this] { watch(); });
  return {};
}

void MirroredStore::State::notice(const std::string& text) const {
  if (options_.notice) options_.notice(text);
}

std::shared_ptr<Store> MirroredStore::State::store(std::size_t side) const {
  const std::lock_guard lock(mutex_);
  return standing_[side] == Standing::current ? stores_[side] : nullptr;
}

bool MirroredStore::State::is_current(std::size_t side) const {
  const std::lock_guard lock(mutex_);
  return standing_[side] == Standing::current && !failed_;
}

std::size_t MirroredStore::State::next_reader() {
  const std::lock_guard lock(mutex_);
  reader_ = 1 - reader_;
  return reader_;
}

// A side that is being left counts until the other has noted it.
std::array<bool, sides> MirroredStore::State::counting() const {
  return {standing_[0] != Standing::left, standing_[1] != Standing::left};
}

void MirroredStore::State::submit(Batch batch, BatchDone done) {
  std::array<std::shared_ptr<Store>, sides> stores;
  std::array<Batch, sides> parts;
  std::uint64_t number = 0;
  {
    Lock lock(mutex_);
    MirroredBatch& waiting = waiting_.emplace_back(batch, std::move(done));
    number = first_number_ + waiting_.size() - 1;
    for (std::size_t side = 0; side < sides; ++side) {
      if (failed_ || standing_[side] != Standing::current) continue;
      stores[side] = stores_[side];
      parts[side] = waiting.batch_for(side, batch, pairs_, std::exchange(taken_back_[side], {}));
    }
    if (failed_) return advance(lock);
  }
  for (std::size_t side = 0; side < sides; ++side) {
    if (stores[side] == nullptr) continue;
    if (parts[side].empty()) {
      answered(side, number, {});
      continue;
    }
    stores[side]->submit(std::move(parts[side]),
                         [self = shared_from_this(), side, number](BatchResults results) {
                           self->answered(side, number, std::move(results));
                         });
  }
}

void MirroredStore::State::answered(std::size_t side, std::uint64_t number, BatchResults results) {
  Lock lock(mutex_);
  // Of a side that hung, after all was answered without it.
  if (number < first_number_ || number - first_number_ >= waiting_.size()) return;
  waiting_[number - first_number_].answer(side, std::move(results));
  advance(lock);
  if (ending_) changed_.notify_all();
}

// One thread at a time gives results, so that they keep their order; what becomes ready meanwhile
// it gives as well.
void MirroredStore::State::advance(Lock& lock) {
  if (std::exchange(advancing_, true)) return;
  while (!waiting_.empty() && finish_first(lock)) {
  }
  advancing_ = false;
}

bool MirroredStore::State::finish_first(Lock& lock) {
  MirroredBatch& first = waiting_.front();
  BatchResults results;
  if (!failed_) {
    const auto counts = counting();
    if (const auto side = first.failed_side(counts); side) {
      begin_to_leave(*side, "a write or a sync failed");
    }
    if (!failed_) {
      for (std::size_t side = 0; side < sides; ++side) {
        if (standing_[side] == Standing::leaving) return false;
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
  if (standing_[side] != Standing::current) return;
  if (standing_[1 - side] != Standing::current) return fail_everything(names_[side] + ": " + why);
  standing_[side] = Standing::leaving;
  why_[side] = why;
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
  if (standing_[0] != Standing::current || standing_[1] != Standing::current) return std::nullopt;
  const MirroredBatch& first = waiting_.front();
  if (!first.first_answer() || now - *first.first_answer() < options_.stall_max) {
    return std::nullopt;
  }
  for (std::size_t side = 0; side < sides; ++side) {
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
    for (std::size_t side = 0; side < sides; ++side) {
      if (standing_[side] == Standing::leaving && !failed_) leave(lock, side);
    }
    const bool to_do =
        !failed_ && (standing_[0] == Standing::leaving || standing_[1] == Standing::leaving);
    if (!to_do && !stopping_) changed_.wait_for(lock, pause);
  }
}

void MirroredStore::State::leave(Lock& lock, std::size_t side) {
  const std::size_t other = 1 - side;
  lock.unlock();
  const auto noted = note_partner_stale_[other]();
  lock.lock();
  if (!noted) {
    fail_everything(fmt::format("{}: {}, and {} could not note it ({})", names_[side], why_[side],
                                names_[other], describe(noted.error())));
  } else {
    standing_[side] = Standing::left;
    bury(side);
    notice(fmt::format("mirror: {} is left: {}; mail goes on with {} alone", names_[side],
                       why_[side], names_[other]));
  }
  advance(lock);
  changed_.notify_all();
}

// Whoever took it to read or to submit gives it back first: it ends here, not there.
static void end(std::shared_ptr<Store> store) {
  while (store.use_count() > 1) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

// A side that hangs ends when it ends; nobody waits for it.
void MirroredStore::State::bury(std::size_t side) {
  std::thread([self = shared_from_this(), side, store = std::move(stores_[side])]() mutable {
    {
      Lock lock(self->mutex_);
      self->changed_.wait(lock, [&] { return self->scanning_[side] != Scan::entered; });
    }
    end(std::move(store));
  }).detach();
}

Result<void> MirroredStore::State::scan(
    std::size_t side, const std::function<Result<void>(Store&, const Begun& begun)>& scan) {
  Store* store = nullptr;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || failed_ || standing_[side] != Standing::current) {
      return fail(ErrorCode::cancelled, names_[side] + " takes no part");
    }
    scanning_[side] = Scan::entered;
    store = stores_[side].get();
  }
  auto result = scan(*store, [&] {
    const std::lock_guard lock(mutex_);
    if (scanning_[side] == Scan::entered) changed_.notify_all();
    scanning_[side] = Scan::begun;
  });
  const std::lock_guard lock(mutex_);
  scanning_[side] = Scan::none;
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
  changed_.notify_all();
}

void MirroredStore::State::leave_and_wait(std::size_t side, const std::string& why) {
  Lock lock(mutex_);
  begin_to_leave(side, why);
  advance(lock);
  changed_.wait(lock, [&] { return stopping_ || failed_ || standing_[side] == Standing::left; });
}

void MirroredStore::State::stop() {
  Lock lock(mutex_);
  // The watcher still leaves a side that hangs meanwhile.
  ending_ = true;
  changed_.wait(lock, [&] { return waiting_.empty() && !advancing_; });
  stopping_ = true;
  changed_.notify_all();
  lock.unlock();
  if (watcher_.joinable()) watcher_.join();
  lock.lock();
  for (std::size_t side = 0; side < sides; ++side) {
    changed_.wait(lock, [&] { return scanning_[side] != Scan::entered; });
    auto store = std::move(stores_[side]);
    lock.unlock();
    if (store != nullptr) end(std::move(store));
    lock.lock();
  }
  changed_.wait(lock, [&] { return !recovering_; });
}

}  // namespace brevdue::mirror
