#include "backends/iouring/live_set.h"

#include <algorithm>
#include <utility>

namespace brevdue::backends {

namespace {
constexpr std::uint32_t entry_of(std::uint32_t offset) {
  return offset << 1 | 1;
}
}  // namespace

void LiveSet::add(const std::vector<std::uint32_t>& offsets) {
  if (offsets.empty()) return;
  if (!entries_.empty() && offset_of(entries_.back()) > offsets.front()) return merge(offsets);
  entries_.reserve(entries_.size() + offsets.size());
  for (const std::uint32_t offset : offsets) append(offset);
}

void LiveSet::append(std::uint32_t offset) {
  entries_.push_back(entry_of(offset));
  if (!settlements_.empty()) settlements_.emplace_back();
  ++live_;
}

// What recovery finds comes after what the writer added.
void LiveSet::merge(const std::vector<std::uint32_t>& offsets) {
  LiveSet merged;
  merged.entries_.reserve(entries_.size() + offsets.size());
  if (!settlements_.empty()) merged.settlements_.reserve(merged.entries_.capacity());
  auto next = offsets.begin();
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    while (next != offsets.end() && *next < offset_of(entries_[i])) {
      merged.entries_.push_back(entry_of(*next++));
      if (!settlements_.empty()) merged.settlements_.emplace_back();
    }
    merged.entries_.push_back(entries_[i]);
    if (!settlements_.empty()) merged.settlements_.push_back(settlements_[i]);
  }
  merged.live_ = live_ + static_cast<std::size_t>(next - offsets.begin());
  *this = std::move(merged);
  for (; next != offsets.end(); ++next) append(*next);
}

std::size_t LiveSet::find(std::uint32_t offset) const {
  const auto at = std::ranges::lower_bound(entries_, offset, {}, offset_of);
  if (at == entries_.end() || *at != entry_of(offset)) return entries_.size();
  return static_cast<std::size_t>(at - entries_.begin());
}

bool LiveSet::remove(std::uint32_t offset) {
  const std::size_t at = find(offset);
  if (at == entries_.size()) return false;
  entries_[at] &= ~1u;
  --live_;
  if (live_ < entries_.size() / 4 * 3) sweep();
  return true;
}

void LiveSet::sweep() {
  std::vector<std::uint32_t> entries;
  std::vector<RecordPlace> settlements;
  entries.reserve(live_);
  if (!settlements_.empty()) settlements.reserve(live_);
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (!is_alive(entries_[i])) continue;
    entries.push_back(entries_[i]);
    if (!settlements_.empty()) settlements.push_back(settlements_[i]);
  }
  entries_ = std::move(entries);
  settlements_ = std::move(settlements);
}

std::optional<RecordPlace> LiveSet::settlement(std::uint32_t offset) const {
  const std::size_t at = find(offset);
  if (at >= settlements_.size() || settlements_[at].generation == 0) return std::nullopt;
  return settlements_[at];
}

void LiveSet::settle(std::uint32_t offset, RecordPlace settlement) {
  const std::size_t at = find(offset);
  if (at == entries_.size()) return;
  if (settlements_.empty()) settlements_.resize(entries_.size());
  settlements_[at] = settlement;
}

std::vector<std::uint32_t> LiveSet::offsets() const {
  std::vector<std::uint32_t> out;
  out.reserve(live_);
  for (const std::uint32_t entry : entries_) {
    if (is_alive(entry)) out.push_back(offset_of(entry));
  }
  return out;
}

void LiveSet::shrink() {
  entries_.shrink_to_fit();
  settlements_.shrink_to_fit();
}

std::size_t LiveSet::memory() const {
  return entries_.capacity() * sizeof entries_[0] +
         settlements_.capacity() * sizeof settlements_[0];
}

}  // namespace brevdue::backends
