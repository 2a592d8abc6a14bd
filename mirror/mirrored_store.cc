#include "mirror/mirrored_store.h"

#include <algorithm>
#include <utility>

#include "mirror/merged_recovery.h"
#include "mirror/mirror_state.h"

namespace brevdue::mirror {

using queue::Location;
using queue::Store;

MirroredStore::MirroredStore(std::array<MirrorSide, 2> parts, MirrorOptions options)
    : state_(std::make_shared<State>(std::move(parts), std::move(options))) {}

MirroredStore::~MirroredStore() {
  state_->stop();
}

Result<void> MirroredStore::start() {
  return state_->start();
}

void MirroredStore::submit(queue::Batch batch, queue::BatchDone done) {
  state_->submit(std::move(batch), std::move(done));
}

unsigned MirroredStore::depth() const {
  return state_->depth();
}

std::uint64_t MirroredStore::room() const {
  std::uint64_t least = UINT64_MAX;
  bool any = false;
  for (std::size_t side = 0; side < sides; ++side) {
    if (const auto store = state_->store(side)) {
      least = std::min(least, store->room());
      any = true;
    }
  }
  return any ? least : 0;
}

bool MirroredStore::is_current(std::size_t side) const {
  return state_->is_current(side);
}

MirroredStore::Handle MirroredStore::handle() const {
  return Handle(state_);
}

SideState MirroredStore::Handle::state_of(std::size_t side) const {
  const auto state = state_.lock();
  return state == nullptr ? SideState::left : state->state_of(side);
}

std::string MirroredStore::Handle::why_left(std::size_t side) const {
  const auto state = state_.lock();
  return state == nullptr ? "" : state->why_left(side);
}

CopyProgress MirroredStore::Handle::progress_of(std::size_t side) const {
  const auto state = state_.lock();
  return state == nullptr ? CopyProgress() : state->progress_of(side);
}

bool MirroredStore::Handle::wait_until_copied(std::chrono::milliseconds at_most) const {
  const auto state = state_.lock();
  return state != nullptr && state->wait_until_copied(at_most);
}

Result<void> MirroredStore::Handle::leave(std::size_t side, const std::string& why) const {
  const auto state = state_.lock();
  if (state == nullptr) return fail(ErrorCode::unavailable, "the queue is being opened anew");
  return state->leave_and_wait(side, why);
}

bool MirroredStore::Handle::may_join(std::size_t side) const {
  const auto state = state_.lock();
  return state != nullptr && state->may_join(side);
}

Result<void> MirroredStore::Handle::join(std::size_t side, MirrorSide part) const {
  const auto state = state_.lock();
  if (state == nullptr) return fail(ErrorCode::unavailable, "the queue is being opened anew");
  return state->join(side, std::move(part));
}

// What one side cannot give whole the other one may. What `is_whole` does not hold of is given
// where there is nothing better.
template <class Found, class Read, class IsWhole>
Result<Found> MirroredStore::read(mail::QueueId id, const Location& location, Read read,
                                  IsWhole is_whole) {
  State& state = *state_;
  const auto pair = state.pairs().find(id, location);
  if (!pair) return fail(ErrorCode::not_found, "mirror: " + id.text());
  Result<Found> best = fail(ErrorCode::unavailable, "mirror: " + id.text());
  const std::size_t first = state.next_reader();
  for (const std::size_t side : {first, 1 - first}) {
    const auto store = state.store(side);
    if (store == nullptr || !(*pair)[side]) continue;
    auto found = [&] {
      const std::lock_guard one_at_a_time(state.reading(side));
      return read(*store, *(*pair)[side]);
    }();
    if (found && is_whole(*found)) return found;
    const ErrorCode code = found ? ErrorCode::corrupt : found.error().code;
    const std::string why =
        found ? id.text() + ": a settlement is damaged" : describe(found.error());
    if (found || !best) best = std::move(found);
    if (code == ErrorCode::not_found) continue;
    if (code == ErrorCode::corrupt || code == ErrorCode::io_failure) {
      state.lacks({id, location, side, Lack::What::record});
    }
    state.notice("mirror: " + state.name(side) + ": " + why);
  }
  return best;
}

Result<SharedBytes> MirroredStore::open(mail::QueueId id, const Location& location) {
  return read<SharedBytes>(
      id, location, [&](Store& store, const Location& at) { return store.open(id, at); },
      [](const SharedBytes&) { return true; });
}

Result<queue::StoredMessage> MirroredStore::look_up(mail::QueueId id, const Location& location) {
  return read<queue::StoredMessage>(
      id, location, [&](Store& store, const Location& at) { return store.look_up(id, at); },
      [](const queue::StoredMessage& stored) { return !stored.state_is_older; });
}

// Each side's record. What is damaged on one is written there again, so that it is reported once,
// in the log.
Result<queue::Verified> MirroredStore::verify(mail::QueueId id, const Location& location) {
  queue::Verified all;
  bool any = false;
  const auto pair = state_->pairs().find(id, location);
  if (!pair) return fail(ErrorCode::not_found, "mirror: " + id.text());
  for (std::size_t side = 0; side < sides; ++side) {
    const auto store = state_->store(side);
    if (store == nullptr || !(*pair)[side]) continue;
    auto found = [&] {
      const std::lock_guard one_at_a_time(state_->reading(side));
      return store->verify(id, *(*pair)[side]);
    }();
    if (!found && found.error().code == ErrorCode::not_found) continue;
    if (!found) return found;
    any = true;
    all.bytes += found->bytes;
    if (all.envelope.empty()) all.envelope = std::move(found->envelope);
    if (!found->damage.empty()) state_->lacks({id, location, side, Lack::What::record});
    for (queue::Damage& damage : found->damage) {
      damage.where = state_->name(side) + (damage.where.empty() ? "" : "/" + damage.where);
      all.damage.push_back(std::move(damage));
    }
  }
  if (!any) return fail(ErrorCode::not_found, "mirror: " + id.text());
  return all;
}

Result<void> MirroredStore::recover(queue::RecoverySink& sink) {
  // The destructor waits for it, but may be done before this function is.
  const auto state = state_;
  state->recovery_begins();
  auto done = MergedRecovery(*state, sink).run();
  state->recovery_ends();
  return done;
}

}  // namespace brevdue::mirror
