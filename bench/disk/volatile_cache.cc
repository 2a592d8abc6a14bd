#include "bench/disk/volatile_cache.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

namespace brevdue::disk {

VolatileCache::VolatileCache(Medium& medium, std::uint64_t capacity)
    : medium_(medium), capacity_(capacity) {}

// Takes `range` out of what reads see, splitting what reaches over its ends.
void VolatileCache::cover(ByteRange range) {
  auto at = newest_.lower_bound(range.offset);
  if (at != newest_.begin()) --at;
  while (at != newest_.end() && at->first < range.end()) {
    const auto [begin, extent] = *at;
    if (extent.end <= range.offset) {
      ++at;
      continue;
    }
    at = newest_.erase(at);
    if (begin < range.offset) {
      newest_.emplace(begin, Extent{range.offset, extent.bytes, extent.number});
    }
    if (extent.end > range.end()) {
      newest_.emplace(range.end(),
                      Extent{extent.end, extent.bytes + (range.end() - begin), extent.number});
    }
  }
}

// Writes a part of `pending`, leaving out what was superseded.
Result<void> VolatileCache::apply(const Pending& pending, ByteRange part, Medium& onto) const {
  std::uint64_t at = part.offset;
  while (at < part.end()) {
    std::uint64_t limit = part.end();
    std::uint64_t skip_to = at;
    for (const ByteRange& gone : pending.superseded) {
      if (gone.end() <= at) continue;
      if (gone.offset <= at) {
        skip_to = std::max(skip_to, gone.end());
      } else {
        limit = std::min(limit, gone.offset);
      }
    }
    if (skip_to > at) {
      at = skip_to;
      continue;
    }
    const std::byte* bytes = pending.bytes.get() + (at - pending.range.offset);
    auto written = onto.write(at, {bytes, static_cast<std::size_t>(limit - at)});
    if (!written) return written;
    at = limit;
  }
  return {};
}

Result<void> VolatileCache::write_back_oldest() {
  const Pending& oldest = pending_.front();
  auto written = apply(oldest, oldest.range, medium_);
  if (!written) return written;
  auto at = newest_.lower_bound(oldest.range.offset);
  while (at != newest_.end() && at->first < oldest.range.end()) {
    at = at->second.number == oldest.number ? newest_.erase(at) : std::next(at);
  }
  pending_bytes_ -= oldest.range.length;
  pending_.pop_front();
  return {};
}

Result<void> VolatileCache::write(std::uint64_t offset, std::span<const std::byte> from) {
  while (!pending_.empty() && from.size() > capacity_ - std::min(capacity_, pending_bytes_)) {
    auto written = write_back_oldest();
    if (!written) return written;
    ++written_back_early_;
  }
  const std::uint64_t number = next_number_++;
  if (from.size() > capacity_) {
    ++written_back_early_;
    return medium_.write(offset, from);
  }
  const ByteRange range{offset, from.size()};
  auto bytes = std::make_unique_for_overwrite<std::byte[]>(from.size());
  std::memcpy(bytes.get(), from.data(), from.size());
  cover(range);
  if (!from.empty()) newest_.emplace(offset, Extent{range.end(), bytes.get(), number});
  pending_.push_back({number, range, std::move(bytes), {}});
  pending_bytes_ += from.size();
  return {};
}

Result<void> VolatileCache::write_through(std::uint64_t offset, std::span<const std::byte> from) {
  auto written = medium_.write(offset, from);
  if (!written) return written;
  const ByteRange range{offset, from.size()};
  cover(range);
  for (Pending& older : pending_) {
    if (older.range.offset < range.end() && range.offset < older.range.end()) {
      older.superseded.push_back(range);
    }
  }
  ++next_number_;
  return {};
}

Result<void> VolatileCache::read(std::uint64_t offset, std::span<std::byte> to) const {
  const std::uint64_t end = offset + to.size();
  auto extent = newest_.upper_bound(offset);
  if (extent != newest_.begin() && std::prev(extent)->second.end > offset) --extent;
  for (std::uint64_t at = offset; at < end;) {
    const bool cached = extent != newest_.end() && extent->first <= at;
    std::uint64_t until = end;
    if (extent != newest_.end()) {
      until = std::min(end, cached ? extent->second.end : extent->first);
    }
    const auto part = to.subspan(at - offset, until - at);
    if (cached) {
      std::memcpy(part.data(), extent->second.bytes + (at - extent->first), part.size());
      ++extent;
    } else {
      auto done = medium_.read(at, part);
      if (!done) return done;
    }
    at = until;
  }
  return {};
}

Result<void> VolatileCache::flush() {
  while (!pending_.empty()) {
    auto written = write_back_oldest();
    if (!written) return written;
  }
  next_number_ = 0;
  return {};
}

Result<void> VolatileCache::apply_survivors(const PowerCut& cut, Medium& onto) const {
  for (const Pending& pending : pending_) {
    for (const ByteRange& part : cut.survivors(pending.number, pending.range)) {
      auto written = apply(pending, part, onto);
      if (!written) return written;
    }
  }
  return {};
}

Result<void> VolatileCache::cut(const PowerCut& cut) {
  auto applied = apply_survivors(cut, medium_);
  newest_.clear();
  pending_.clear();
  pending_bytes_ = 0;
  next_number_ = 0;
  return applied;
}

}  // namespace brevdue::disk
