// Memory for the batches in flight: one piece, in huge pages where the kernel gives them, handed
// out from front to back and round again, and given back in the order in which it was taken. A
// batch larger than all of it gets memory of its own. Sizes are whole blocks. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "backends/iouring/aligned_buffer.h"
#include "core/error.h"

namespace brevdue::backends {

class BatchArena {
 public:
  explicit BatchArena(std::uint32_t size) : memory_(size), size_(size) {}

  std::string_view view() const { return memory_.view(); }

  // Empty while what is in use leaves no room.
  std::span<char> take(std::uint32_t size) {
    const auto begin = place_for(size);
    if (!begin) return {};
    if (size > size_) {
      const std::uint32_t newest = in_use_.empty() ? 0 : in_use_.back().begin;
      in_use_.push_back({newest, *begin, AlignedBuffer(size)});
      return {in_use_.back().own.bytes(), size};
    }
    in_use_.push_back({*begin, *begin + size, {}});
    return {memory_.bytes() + *begin, size};
  }
  bool has_room_for(std::uint32_t size) const { return place_for(size).has_value(); }

  void give_back_oldest() {
    BREVDUE_ASSERT(!in_use_.empty());
    in_use_.pop_front();
  }

 private:
  struct Region {
    std::uint32_t begin;
    std::uint32_t end;
    AlignedBuffer own;  // in place of these bytes of the memory
  };

  std::optional<std::uint32_t> place_for(std::uint32_t size) const {
    const std::uint32_t oldest = in_use_.empty() ? 0 : in_use_.front().begin;
    const std::uint32_t newest = in_use_.empty() ? 0 : in_use_.back().begin;
    const std::uint32_t begin = in_use_.empty() ? 0 : in_use_.back().end;
    if (size > size_) return begin;
    const bool went_round = newest < oldest;
    if (size <= (went_round ? oldest : size_) - begin) return begin;
    if (!went_round && size <= oldest) return 0;
    return std::nullopt;
  }

  AlignedBuffer memory_;
  std::uint32_t size_;
  std::deque<Region> in_use_;  // oldest first
};

}  // namespace brevdue::backends
