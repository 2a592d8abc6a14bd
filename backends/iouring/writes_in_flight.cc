#include "backends/iouring/writes_in_flight.h"

#include <algorithm>
#include <utility>

namespace brevdue::backends {

Result<void> WritesInFlight::begin() {
  auto most = device_.begin_batches(arena_.view());
  if (!most) return propagate(std::move(most.error()));
  own_max_ = *most;
  return {};
}

std::optional<int> WritesInFlight::begin_attended() {
  const auto attendance = device_.begin_attended(arena_.view());
  if (!attendance) return std::nullopt;
  attended_max_ = attendance->in_flight_max;
  return attendance->descriptor;
}

void WritesInFlight::attend(bool attended) {
  BREVDUE_ASSERT(writes_.empty());
  attended_ = attended;
}

std::span<char> WritesInFlight::memory_for(std::uint32_t size) {
  if (writes_.size() >= writes_max()) return {};
  return arena_.take(size);
}

bool WritesInFlight::start(std::uint64_t sequence, std::uint32_t segment, std::uint32_t offset,
                           std::string_view bytes) {
  writes_.push_back({.sequence = sequence,
                     .started = std::chrono::steady_clock::now(),
                     .in_flight = writes_.size() + 1});
  const BatchWrite write{sequence, segment, offset, bytes};
  if (attended_) return device_.start_attended(write);
  device_.start_write(write);
  return true;
}

Result<unsigned> WritesInFlight::await() {
  auto ended = attended_ ? device_.await_attended() : device_.await_write();
  return ended ? note(std::move(*ended)) : 0;
}

std::optional<Result<unsigned>> WritesInFlight::poll() {
  auto ended = device_.poll_attended();
  if (!ended) return std::nullopt;
  return note(std::move(*ended));
}

Result<unsigned> WritesInFlight::note(EndedWrite ended) {
  Write& write = find(ended.ticket);
  write.ended = true;
#ifdef BREVDUE_MUTANT_IOURING_RETRIED_SYNC
  // What a sync after the failed write would say: Linux reports a failure once.
  ended.result = {};
#endif
  if (!ended.result) {
    abandon();
    return std::unexpected(std::move(ended.result.error()));
  }
  choice_.note(std::chrono::steady_clock::now() - write.started, write.in_flight, writes_max());
  unsigned landed = 0;
  while (!writes_.empty() && writes_.front().ended) {
    ++landed;
    arena_.give_back_oldest();
    writes_.pop_front();
  }
  return landed;
}

WritesInFlight::Write& WritesInFlight::find(std::uint64_t sequence) {
  const auto at = std::ranges::find(writes_, sequence, &Write::sequence);
  BREVDUE_ASSERT(at != writes_.end());
  return *at;
}

void WritesInFlight::abandon() {
  while (!std::ranges::all_of(writes_, &Write::ended)) {
    const auto ended = attended_ ? device_.await_attended() : device_.await_write();
    if (ended) find(ended->ticket).ended = true;
  }
  while (!writes_.empty()) {
    arena_.give_back_oldest();
    writes_.pop_front();
  }
}

}  // namespace brevdue::backends
