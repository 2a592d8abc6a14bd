// Which messages of a segment still live, by the offset of their record: a sorted list from which
// the dead are swept out when they are the majority. Four bytes and a bit for each message.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace brevdue::backends {

class LiveSet {
 public:
  // `offsets` ascend and are new; below 2^31.
  void add(const std::vector<std::uint32_t>& offsets) {
    const bool at_end =
        offsets.empty() || entries_.empty() || entries_.back() >> 1 < offsets.front();
    for (const std::uint32_t offset : offsets) entries_.push_back(offset << 1 | 1);
    live_ += offsets.size();
    if (!at_end) std::ranges::sort(entries_);
  }

  bool contains(std::uint32_t offset) const {
    const auto at = std::ranges::lower_bound(entries_, offset, {}, offset_of);
    return at != entries_.end() && *at == (offset << 1 | 1);
  }

  // False if it did not live.
  bool remove(std::uint32_t offset) {
    const auto at = std::ranges::lower_bound(entries_, offset, {}, offset_of);
    if (at == entries_.end() || *at != (offset << 1 | 1)) return false;
    *at &= ~1u;
    --live_;
    if (live_ >= entries_.size() / 2) return true;
    std::erase_if(entries_, [](std::uint32_t entry) { return (entry & 1) == 0; });
    entries_.shrink_to_fit();
    return true;
  }

  std::size_t size() const { return live_; }

  std::vector<std::uint32_t> offsets() const {
    std::vector<std::uint32_t> out;
    out.reserve(live_);
    for (const std::uint32_t entry : entries_) {
      if ((entry & 1) != 0) out.push_back(entry >> 1);
    }
    return out;
  }

 private:
  static std::uint32_t offset_of(std::uint32_t entry) { return entry >> 1; }

  std::vector<std::uint32_t> entries_;  // offset in the upper 31 bits, lives in the lowest
  std::size_t live_ = 0;
};

}  // namespace brevdue::backends
