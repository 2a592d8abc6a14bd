// Finds 32-bit indices by 64-bit keys: an open hash that holds nothing but the indices, 5.3 to 8
// bytes for each. Whoever owns what they point at knows the keys, and hashes them: the upper 8 bits
// of a hash choose one of 256 parts, so that growing stalls nobody (each is rebuilt by itself), and
// the next 32 the slot. Not thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/error.h"

namespace brevdue {

class KeyIndex {
 public:
  static constexpr std::uint32_t none = UINT32_MAX;

  // The index whose key has this hash and for which `is` says so, or none.
  template <class Is>
  std::uint32_t find(std::uint64_t hash, Is is) const {
    const Part& part = parts_[hash >> 56];
    if (part.slots.empty()) return none;
    return part.slots[part.slot_of(hash, is)];
  }

  // `hash_of(index)` must be what insert() was called with. Nothing with the same key is there.
  template <class HashOf>
  void insert(std::uint64_t hash, std::uint32_t index, HashOf hash_of) {
    Part& part = parts_[hash >> 56];
    if ((part.used + 1) * 4 > part.slots.size() * 3) part.grow(hash_of);
    part.slots[part.slot_of(hash, [](std::uint32_t) { return false; })] = index;
    ++part.used;
  }

  // `to` takes the place of `from`, which has the same key.
  void replace(std::uint64_t hash, std::uint32_t from, std::uint32_t to) {
    Part& part = parts_[hash >> 56];
    part.slots[part.slot_holding(hash, from)] = to;
  }

  template <class HashOf>
  void erase(std::uint64_t hash, std::uint32_t index, HashOf hash_of) {
    Part& part = parts_[hash >> 56];
    part.close_gap(part.slot_holding(hash, index), hash_of);
    --part.used;
  }

 private:
  static constexpr std::size_t part_count = 256;

  struct Part {
    std::vector<std::uint32_t> slots;  // at most three quarters full
    std::size_t used = 0;

    std::size_t home(std::uint64_t hash) const {
      return static_cast<std::size_t>((hash >> 24 & UINT32_MAX) * slots.size() >> 32);
    }
    std::size_t after(std::size_t slot) const { return slot + 1 == slots.size() ? 0 : slot + 1; }
    // How far `slot` lies behind `from`, going round.
    std::size_t distance(std::size_t from, std::size_t slot) const {
      return slot >= from ? slot - from : slot + slots.size() - from;
    }

    template <class Is>
    std::size_t slot_of(std::uint64_t hash, Is is) const {
      std::size_t slot = home(hash);
      while (slots[slot] != none && !is(slots[slot])) slot = after(slot);
      return slot;
    }

    std::size_t slot_holding(std::uint64_t hash, std::uint32_t index) const {
      BREVDUE_ASSERT(!slots.empty());
      const std::size_t slot = slot_of(hash, [&](std::uint32_t other) { return other == index; });
      BREVDUE_ASSERT(slots[slot] == index);
      return slot;
    }

    template <class HashOf>
    void grow(HashOf hash_of) {
      std::vector<std::uint32_t> old(slots.empty() ? 16 : slots.size() + slots.size() / 2, none);
      old.swap(slots);
      for (const std::uint32_t index : old) {
        if (index == none) continue;
        slots[slot_of(hash_of(index), [](std::uint32_t) { return false; })] = index;
      }
    }

    // So that a search never meets a hole before what it looks for.
    template <class HashOf>
    void close_gap(std::size_t hole, HashOf hash_of) {
      for (std::size_t next = after(hole); slots[next] != none; next = after(next)) {
        const std::size_t from = home(hash_of(slots[next]));
        if (distance(from, next) >= distance(hole, next)) {
          slots[hole] = slots[next];
          hole = next;
        }
      }
      slots[hole] = none;
    }
  };

  std::array<Part, part_count> parts_;
};

}  // namespace brevdue
