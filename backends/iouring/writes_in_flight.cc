#include "backends/iouring/writes_in_flight.h"

#include <algorithm>
#include <utility>

namespace brevdue::backends {

Result<void> WritesInFlight::begin() {
  auto most = device_.begin_batches(arena_.view());
  if (!most) return propagate(std::move(most.error()));
  writes_max_ = *most;
  return {};
}

std::span<char> WritesInFlight::memory_for(std::uint32_t size) {
  if (writes_.size() >= writes_max_) return {};
  return arena_.take(size);
}

void WritesInFlight::start(std::uint64_t sequence, std::uint32_t segment, std::uint32_t offset,
                           std::string_view bytes) {
  writes_.push_back({.sequence = sequence,
                     .started = std::chrono::steady_clock::now(),
                     .in_flight = writes_.size() + 1});
  device_.start_write({sequence, segment, offset, bytes});
}

Result<unsigned> WritesInFlight::await() {
  auto ended = device_.await_write();
  if (!ended) return 0;
  Write& write = find(ended->ticket);
  write.ended = true;
  if (!ended->result) {
    abandon();
    return std::unexpected(std::move(ended->result.error()));
  }
  choice_.note(std::chrono::steady_clock::now() - write.started, write.in_flight, writes_max_);
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
    if (const auto ended = device_.await_write()) find(ended->ticket).ended = true;
  }
  while (!writes_.empty()) {
    arena_.give_back_oldest();
    writes_.pop_front();
  }
}

}  // namespace brevdue::backends
