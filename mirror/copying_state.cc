// The part of the mirror's state that the copier uses.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "mirror/mirror_state.h"

namespace brevdue::mirror {

using queue::BatchResults;

void MirroredStore::State::lacks(const Lack& lack) {
  constexpr std::size_t lacks_max = 16384;  // the rest stays as it is until it is read again
  const std::lock_guard lock(mutex_);
  const auto same = [&](const Lack& one) { return one.id == lack.id && one.to == lack.to; };
  if (lacks_.size() >= lacks_max || std::ranges::any_of(lacks_, same)) return;
  lacks_.push_back(lack);
  changed_.notify_all();
}

bool MirroredStore::State::wait_for_lacks() {
  Lock lock(mutex_);
  copying_ = false;
  changed_.notify_all();
  changed_.wait(lock, [&] {
    return stopping_ || (recovered_ && !failed_ && (look_for_lacks_ || !lacks_.empty()));
  });
  look_for_lacks_ = false;
  copying_ = true;
  return !stopping_;
}

bool MirroredStore::State::wait_until_copied(std::chrono::milliseconds at_most) {
  Lock lock(mutex_);
  const auto is_quiet = [&] { return !copying_ && !look_for_lacks_ && lacks_.empty(); };
  changed_.wait_for(lock, at_most, [&] { return stopping_ || failed_ || is_quiet(); });
  return recovered_ && !failed_ && is_quiet();
}

std::vector<Lack> MirroredStore::State::find_lacks(std::uint32_t& cursor, std::size_t count) {
  std::vector<Lack> found;
  {
    const std::lock_guard lock(mutex_);
    while (!lacks_.empty() && found.size() < count) {
      found.push_back(lacks_.front());
      lacks_.pop_front();
    }
  }
  for (const auto& row : pairs_.one_sided(cursor, count - found.size())) {
    found.push_back({row.id, row.location, 1 - row.side, Lack::What::message});
  }
  const std::lock_guard lock(mutex_);
  std::erase_if(found, [&](const Lack& lack) {
    return !takes_part(lack.to) || sides_[1 - lack.to].standing != Standing::current;
  });
  return found;
}

bool MirroredStore::State::wait_for_answers() {
  Lock lock(mutex_);
  const std::uint64_t before = first_number_ + waiting_.size();
  ++awaited_;
  changed_.wait(lock, [&] { return stopping_ || failed_ || first_number_ >= before; });
  --awaited_;
  return !stopping_ && !failed_;
}

void MirroredStore::State::watch(const std::vector<Lack>& lacks) {
  const std::lock_guard lock(mutex_);
  for (const Lack& lack : lacks) copies_.watch(lack.id);
}

void MirroredStore::State::hold(std::vector<Lack>& lacks) {
  const std::lock_guard lock(mutex_);
  std::erase_if(lacks, [&](const Lack& lack) {
    if (copies_.was_touched(lack.id)) {
      copies_.end(lack.id);
      look_for_lacks_ = true;
      return true;
    }
    copies_.hold(lack.id, lack.to);
    return false;
  });
}

void MirroredStore::State::let_go(mail::QueueId id) {
  const std::lock_guard lock(mutex_);
  copies_.end(id);
}

std::optional<BatchResults> MirroredStore::State::write(std::size_t side, queue::Batch batch) {
  if (batch.empty()) return BatchResults();
  // Shared with an answer that may come after the side was left.
  auto answer = std::make_shared<std::optional<BatchResults>>();
  std::shared_ptr<queue::Store> store;
  unsigned generation = 0;
  {
    const std::lock_guard one_at_a_time(submitting_);
    {
      const std::lock_guard lock(mutex_);
      if (!takes_part(side)) return std::nullopt;
      store = sides_[side].store;
      generation = sides_[side].generation;
    }
    store->submit(std::move(batch), [self = shared_from_this(), answer](BatchResults results) {
      const std::lock_guard lock(self->mutex_);
      *answer = std::move(results);
      self->changed_.notify_all();
    });
    store.reset();
  }
  Lock lock(mutex_);
  const Side& written = sides_[side];
  changed_.wait(lock, [&] {
    return answer->has_value() || stopping_ || failed_ || written.generation != generation ||
           written.standing == Standing::left;
  });
  if (!answer->has_value() || !takes_part(side)) return std::nullopt;
  return std::move(**answer);
}

std::vector<CopyLedger::Kept> MirroredStore::State::take_kept(std::size_t side,
                                                              const std::vector<Held>& held) {
  std::vector<CopyLedger::Kept> kept;
  const std::lock_guard lock(mutex_);
  for (const Held& one : held) {
    for (auto& mutation : copies_.take(one.id)) kept.push_back(std::move(mutation));
  }
  if (!kept.empty()) return kept;
  for (const Held& one : held) {
    copies_.end(one.id);
    auto pair = pairs_.find(one.id, one.location);
    if (!pair) continue;
    (*pair)[side] = one.at;
    pairs_.set(one.id, one.location, *pair);
  }
  return kept;
}

void MirroredStore::State::kept_is_done(std::size_t side,
                                        const std::vector<CopyLedger::Kept>& kept) {
  Lock lock(mutex_);
  for (const CopyLedger::Kept& one : kept) {
    if (one.batch < first_number_ || one.batch - first_number_ >= waiting_.size()) continue;
    MirroredBatch& batch = waiting_[one.batch - first_number_];
    if (batch.was_sent(side)) batch.kept_is_done(side);
  }
  advance(lock);
}

void MirroredStore::State::copied(std::size_t side, std::uint64_t messages, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  sides_[side].progress.messages += messages;
  sides_[side].progress.bytes += bytes;
}

CopyProgress MirroredStore::State::progress_of(std::size_t side) const {
  const std::uint64_t left = pairs_.count_without(side);
  const std::lock_guard lock(mutex_);
  CopyProgress progress = sides_[side].progress;
  progress.messages_left = left;
  return progress;
}

bool MirroredStore::State::pause(std::chrono::nanoseconds time) {
  Lock lock(mutex_);
  return !changed_.wait_for(lock, time, [&] { return stopping_ || failed_; });
}

std::optional<std::size_t> MirroredStore::State::side_behind() const {
  const std::lock_guard lock(mutex_);
  for (std::size_t side = 0; side < sides; ++side) {
    if (sides_[side].standing == Standing::behind) return side;
  }
  return std::nullopt;
}

Result<void> MirroredStore::State::copy_beside(std::size_t side, const queue::CopyPace& pace) {
  std::function<Result<void>(const queue::CopyPace&)> copy;
  {
    const std::lock_guard lock(mutex_);
    copy = sides_[side].copy_beside;
  }
  return copy ? copy(pace) : Result<void>();
}

void MirroredStore::State::complete(std::size_t side) {
  Lock lock(mutex_);
  if (sides_[side].standing != Standing::behind) return;
  sides_[side].complete = true;
  changed_.notify_all();
  changed_.wait(lock, [&] {
    const Standing standing = sides_[side].standing;
    return stopping_ || failed_ || standing == Standing::current || standing == Standing::left;
  });
}

unsigned MirroredStore::State::generation(std::size_t side) const {
  const std::lock_guard lock(mutex_);
  return sides_[side].generation;
}

bool MirroredStore::State::may_join(std::size_t side) const {
  const std::lock_guard lock(mutex_);
  return sides_[side].standing == Standing::left && sides_[side].has_ended;
}

}  // namespace brevdue::mirror
