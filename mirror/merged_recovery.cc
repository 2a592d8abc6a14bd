#include "mirror/merged_recovery.h"

#include <utility>

namespace brevdue::mirror {

using queue::RecoveredMessage;

// What one side reports.
class MergedRecovery::Scan final : public queue::RecoverySink {
 public:
  Scan(MergedRecovery& all, std::size_t side, bool keep, const MirroredStore::State::Begun& begun)
      : all_(all), side_(side), keep_(keep), begun_(begun) {}

  void begun() override {
    begun_();
    all_.begun();
  }
  void message(RecoveredMessage message) override {
    begun();
    if (keep_) {
      all_.keep(std::move(message));
    } else {
      all_.report(side_, std::move(message));
    }
  }
  void quarantined(queue::Quarantined damage) override {
    begun();
    damage.where = all_.state_.name(side_) + ": " + damage.where;
    all_.sink_.quarantined(std::move(damage));
  }

 private:
  MergedRecovery& all_;
  const std::size_t side_;
  const bool keep_;
  const MirroredStore::State::Begun& begun_;
};

void MergedRecovery::begun() {
  if (!std::exchange(begun_, true)) sink_.begun();
}

void MergedRecovery::keep(RecoveredMessage message) {
  Found found{message.location, nullptr};
  if (message.state != mail::DeliveryState{}) {
    found.state = std::make_unique<mail::DeliveryState>(std::move(message.state));
  }
  found_.insert_or_assign(message.id, std::move(found));
}

void MergedRecovery::report(std::size_t side, RecoveredMessage message) {
  LocationPairs::Pair pair;
  pair[side] = message.location;
  std::optional<std::size_t> older;
  if (const auto other = found_.find(message.id); other != found_.end()) {
    pair[1 - side] = other->second.location;
    // Both have the same settlements, but for the last ones of a crash.
    const auto& state = other->second.state;
    const std::uint32_t there = state == nullptr ? 0 : state->sequence;
    if (there > message.state.sequence) {
      message.state = *state;
      older = side;
    } else if (there < message.state.sequence) {
      older = 1 - side;
    }
    found_.erase(other);
  }
  message.location = state_.pairs().add(message.id, pair);
  if (older) state_.lacks({message.id, message.location, *older, Lack::What::state});
  sink_.message(std::move(message));
}

Result<void> MergedRecovery::scan(std::size_t side, bool keep) {
  return state_.scan(side, [&](queue::Store& store, const MirroredStore::State::Begun& begun) {
    Scan sink(*this, side, keep, begun);
    return store.recover(sink);
  });
}

// What the first side alone has: enqueued or not discarded in the moment of a crash.
Result<void> MergedRecovery::report_rest() {
  for (auto& [id, found] : std::exchange(found_, {})) {
    const auto store = state_.store(0);
    if (store == nullptr && state_.is_current(0)) return fail(ErrorCode::cancelled, "stopped");
    // It was left: what only it had was acknowledged to nobody.
    if (store == nullptr) return {};
    auto stored = [&] {
      const std::lock_guard one_at_a_time(state_.reading(0));
      return store->look_up(id, found.location);
    }();
    if (!stored) {
      sink_.quarantined({state_.name(0), id.text() + ": " + describe(stored.error())});
      continue;
    }
    report(0, {id, found.location, std::move(stored->envelope), std::move(stored->state)});
  }
  return {};
}

Result<void> MergedRecovery::run() {
  for (std::size_t side = 0; side < sides; ++side) {
    const bool other_follows = side == 0 && state_.is_current(1);
    auto done = scan(side, other_follows);
    if (done) continue;
    if (state_.is_current(side)) {
      if (done.error().code == ErrorCode::cancelled) return done;
      state_.leave_and_wait(side, describe(done.error()));
    }
    if (!state_.is_current(1 - side)) return done;
    if (side == 0) found_.clear();
  }
  return report_rest();
}

}  // namespace brevdue::mirror
