#include "mirror/copier.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "queue/message_cache.h"

namespace brevdue::mirror {

using queue::Batch;
using queue::BatchResults;
using queue::Discard;
using queue::Enqueue;
using queue::Location;
using queue::Settle;

namespace {
constexpr std::size_t copied_together = 64;
constexpr std::size_t batch_bytes_max = 512u << 10;

// A side that joins has nothing.
class Nothing final : public queue::RecoverySink {
 public:
  explicit Nothing(const MirroredStore::State::Begun& begun) : begun_(begun) {}
  void begun() override { begun_(); }
  void message(queue::RecoveredMessage /*message*/) override { ++found; }
  void quarantined(queue::Quarantined /*damage*/) override { ++found; }
  std::size_t found = 0;

 private:
  const MirroredStore::State::Begun& begun_;
};

}  // namespace

void Copier::run() {
  while (state_.wait_for_lacks()) {
    const auto behind = state_.side_behind();
    if (behind) {
      if (auto scanned = scan_the_new(*behind); !scanned) {
        if (scanned.error().code == ErrorCode::cancelled) continue;
        static_cast<void>(state_.leave_and_wait(*behind, describe(scanned.error())));
        continue;
      }
    }
    std::optional<bool> nothing_left;
    do {
      nothing_left = pass();
    } while (nothing_left == false);
    if (!nothing_left) continue;
    if (!behind || state_.state_of(*behind) != SideState::behind) continue;
    const auto pace = [&](std::uint64_t bytes) {
      state_.copied(*behind, 0, bytes);
      return keep_to_the_rate(bytes) && state_.state_of(*behind) == SideState::behind;
    };
    if (auto copied = state_.copy_beside(*behind, pace); !copied) {
      static_cast<void>(state_.leave_and_wait(*behind, describe(copied.error())));
    } else {
      state_.complete(*behind);
    }
  }
}

Result<void> Copier::scan_the_new(std::size_t side) {
  const unsigned generation = state_.generation(side);
  if (scanned_[side] == generation) return {};
  scanned_[side] = generation;
  given_up_.clear();
  return state_.scan(
      side, [](queue::Store& store, const MirroredStore::State::Begun& begun) -> Result<void> {
        Nothing sink(begun);
        if (auto done = store.recover(sink); !done) return done;
        if (sink.found == 0) return {};
        return fail(ErrorCode::corrupt, "it was to be empty, and is not");
      });
}

std::optional<bool> Copier::pass() {
  bool nothing = true;
  std::uint32_t cursor = 0;
  if (!state_.wait_for_answers()) return std::nullopt;
  while (true) {
    auto lacks = state_.find_lacks(cursor, copied_together);
    std::erase_if(lacks, [&](const Lack& lack) { return given_up_.contains(lack.id); });
    if (lacks.empty() && state_.pairs().is_end(cursor)) return nothing;
    if (lacks.empty()) continue;
    nothing = false;
    if (!copy_some(std::move(lacks))) return std::nullopt;
  }
}

bool Copier::copy_some(std::vector<Lack> lacks) {
  // What a pass finds may be in the list of what was reported, too.
  std::ranges::sort(lacks, {}, &Lack::id);
  const auto [first, last] = std::ranges::unique(lacks, {}, &Lack::id);
  lacks.erase(first, last);
  state_.watch(lacks);
  if (!state_.wait_for_answers()) {
    for (const Lack& lack : lacks) state_.let_go(lack.id);
    return false;
  }
  std::vector<Copy> copies;
  for (const Lack& lack : lacks) {
    if (auto copy = read(lack); copy) {
      copies.push_back(std::move(*copy));
    } else {
      state_.let_go(lack.id);
    }
  }
  // Only when none is held any more: who waits for one would wait for the rate as well.
  keep_to_the_rate(write_all(std::move(copies)));
  return true;
}

// In batches of a size; how many bytes.
std::uint64_t Copier::write_all(std::vector<Copy> copies) {
  std::uint64_t all = 0;
  for (std::size_t side = 0; side < sides; ++side) {
    std::vector<Copy> together;
    std::uint64_t bytes = 0;
    for (Copy& copy : copies) {
      if (copy.lack.to != side) continue;
      bytes += copy.content.size() + copy.stored.envelope.size();
      together.push_back(std::move(copy));
      if (bytes < batch_bytes_max) continue;
      hold_and_write(side, std::exchange(together, {}));
      all += std::exchange(bytes, 0);
    }
    hold_and_write(side, std::move(together));
    all += bytes;
  }
  return all;
}

// Those of which nothing was asked since they were read; the others are found again.
void Copier::hold_and_write(std::size_t side, std::vector<Copy> copies) {
  std::vector<Lack> lacks;
  for (const Copy& copy : copies) lacks.push_back(copy.lack);
  state_.hold(lacks);
  std::erase_if(copies, [&](const Copy& copy) {
    return !std::ranges::binary_search(lacks, copy.lack.id, {}, &Lack::id);
  });
  if (!copies.empty()) write(side, std::move(copies));
}

// A side that cannot be read now may be read later; what is damaged there is damaged for good.
void Copier::give_up(const Lack& lack, const Error& why) {
  const bool went_away = !state_.pairs().find(lack.id, lack.location);
  if (went_away) return;
  given_up_.insert(lack.id);
  const bool is_lost_there = why.code == ErrorCode::corrupt || why.code == ErrorCode::not_found;
  if (!is_lost_there && state_.state_of(lack.to) == SideState::behind) {
    static_cast<void>(
        state_.leave_and_wait(lack.to, fmt::format("{} cannot be read from {}: {}", lack.id.text(),
                                                   state_.name(1 - lack.to), describe(why))));
    return;
  }
  state_.notice(fmt::format("mirror: {} cannot be copied to {}: {}", lack.id.text(),
                            state_.name(lack.to), describe(why)));
}

// It was written again since.
bool Copier::is_whole(const Lack& lack, const Location& at) {
  const auto store = state_.store(lack.to);
  if (store == nullptr) return true;
  const std::lock_guard one_at_a_time(state_.reading(lack.to));
  const auto verified = store->verify(lack.id, at);
  return verified && verified->damage.empty();
}

std::optional<Copier::Copy> Copier::read(const Lack& lack) {
  const std::size_t side = 1 - lack.to;
  const auto from = state_.store(side);
  const auto pair = state_.pairs().find(lack.id, lack.location);
  if (from == nullptr || !pair || !(*pair)[side]) return std::nullopt;
  const std::optional<Location> there = (*pair)[lack.to];
  if (there.has_value() == (lack.what == Lack::What::message)) return std::nullopt;
  if (lack.what == Lack::What::record && is_whole(lack, *there)) return std::nullopt;
  const std::lock_guard one_at_a_time(state_.reading(side));
  auto stored = from->look_up(lack.id, *(*pair)[side]);
  if (!stored) {
    give_up(lack, stored.error());
    return std::nullopt;
  }
  // A side that has nothing gets what there is; elsewhere it would take the place of a newer one.
  if (stored->state_is_older && state_.state_of(lack.to) != SideState::behind) {
    give_up(lack, {ErrorCode::corrupt, 0, "a settlement is damaged"});
    return std::nullopt;
  }
  Copy copy{lack, {}, std::move(*stored), there};
  if (lack.what == Lack::What::state) return copy;
  const auto envelope = mail::decode_envelope(copy.stored.envelope.view());
  if (envelope && envelope->content.staged) return copy;
  auto content = from->open(lack.id, *(*pair)[side]);
  if (!content) {
    give_up(lack, content.error());
    return std::nullopt;
  }
  copy.content = std::move(*content);
  return copy;
}

// Steps of one copy; false when the side is lost.
void Copier::write(std::size_t side, std::vector<Copy> copies) {
  const std::size_t count = copies.size();
  std::uint64_t bytes = 0;
  for (const Copy& copy : copies) bytes += copy.content.size() + copy.stored.envelope.size();
  std::vector<mail::QueueId> ids;
  for (const Copy& copy : copies) ids.push_back(copy.lack.id);
  if (take_away_damaged(side, copies) && write_records(side, copies) &&
      write_states(side, copies) && write_kept(side, copies)) {
    state_.copied(side, count, bytes);
    return;
  }
  for (const mail::QueueId id : ids) state_.let_go(id);
}

// Of changes of what is there every one must succeed; a message may be refused for want of room.
bool Copier::is_good(std::size_t side, const std::optional<BatchResults>& results,
                     Refusals refusals) {
  if (!results) return false;
  for (const Result<Location>& result : *results) {
    if (result) continue;
    if (refusals == Refusals::allowed && !is_of_the_disk(result.error().code)) continue;
    static_cast<void>(state_.leave_and_wait(side, describe(result.error())));
    return false;
  }
  return true;
}

// Durable before the message is written anew: of two with one id a side would keep either.
bool Copier::take_away_damaged(std::size_t side, std::vector<Copy>& copies) {
  Batch batch;
  for (Copy& copy : copies) {
    if (copy.lack.what != Lack::What::record) continue;
    batch.emplace_back(Discard{copy.lack.id, *copy.at});
    copy.at.reset();
    state_.notice(fmt::format("mirror: {} is damaged on {}, and written there again from {}",
                              copy.lack.id.text(), state_.name(side), state_.name(1 - side)));
  }
  return is_good(side, state_.write(side, std::move(batch)), Refusals::none);
}

bool Copier::write_records(std::size_t side, std::vector<Copy>& copies) {
  Batch batch;
  for (const Copy& copy : copies) {
    if (copy.lack.what == Lack::What::state) continue;
    batch.emplace_back(Enqueue{copy.lack.id, copy.stored.envelope, copy.content});
  }
  const auto results = state_.write(side, std::move(batch));
  if (!is_good(side, results, Refusals::allowed)) return false;
  auto result = results->begin();
  for (Copy& copy : copies) {
    if (copy.lack.what == Lack::What::state) continue;
    if (const auto& one = *result++; one) {
      copy.at = *one;
    } else if (state_.state_of(side) == SideState::behind) {
      static_cast<void>(state_.leave_and_wait(side, describe(one.error())));
      return false;
    } else {
      give_up(copy.lack, one.error());
    }
  }
  return true;
}

bool Copier::write_states(std::size_t side, std::vector<Copy>& copies) {
  Batch batch;
  std::vector<Copy*> settled;
  for (Copy& copy : copies) {
    const mail::DeliveryState& state = copy.stored.state;
    if (!copy.at || state == mail::DeliveryState{}) continue;
    Settle settle{copy.lack.id, *copy.at, as_settlement(state)};
    if (queue::is_short(state)) settle.whole = settle.settlement;
    batch.emplace_back(std::move(settle));
    settled.push_back(&copy);
  }
  const auto results = state_.write(side, std::move(batch));
  if (!is_good(side, results, Refusals::none)) return false;
  for (std::size_t i = 0; i < settled.size(); ++i) settled[i]->at = *(*results)[i];
  return true;
}

bool Copier::write_kept(std::size_t side, const std::vector<Copy>& copies) {
  std::vector<Held> held;
  for (const Copy& copy : copies) held.push_back({copy.lack.id, copy.lack.location, copy.at});
  while (true) {
    const auto kept = state_.take_kept(side, held);
    if (kept.empty()) return true;
    Batch batch;
    std::vector<Held*> asked;
    for (const CopyLedger::Kept& one : kept) {
      const auto id = std::visit([](const auto& mutation) { return mutation.id; }, one.mutation);
      Held& message = *std::ranges::find(held, id, &Held::id);
      if (!message.at) continue;
      queue::Mutation mutation = one.mutation;
      if (auto* settle = std::get_if<Settle>(&mutation)) settle->location = *message.at;
      if (auto* discard = std::get_if<Discard>(&mutation)) discard->location = *message.at;
      batch.push_back(std::move(mutation));
      asked.push_back(&message);
    }
    const auto results = state_.write(side, batch);
    if (!is_good(side, results, Refusals::none)) return false;
    for (std::size_t i = 0; i < asked.size(); ++i) {
      asked[i]->at = *(*results)[i];
      if (std::holds_alternative<Discard>(batch[i])) asked[i]->at.reset();
    }
    state_.kept_is_done(side, kept);
  }
}

bool Copier::keep_to_the_rate(std::uint64_t bytes) {
  const std::uint64_t rate = state_.copy_rate();
  if (rate == 0) return state_.pause(std::chrono::nanoseconds(0));
  const auto now = std::chrono::steady_clock::now();
  const auto takes = std::chrono::nanoseconds(
      static_cast<std::int64_t>(static_cast<double>(bytes) / static_cast<double>(rate) * 1e9));
  free_at_ = std::max(free_at_, now) + takes;
  return state_.pause(std::max(free_at_ - now, std::chrono::nanoseconds(0)));
}

}  // namespace brevdue::mirror
