#include "bench/disk/fault_plan.h"

#include <algorithm>

#include "bench/disk/power_cut.h"

namespace brevdue::disk {

std::optional<int> FaultPlan::next(Request request) {
  auto& rule = rules_[index_of(request)];
  if (!rule) return std::nullopt;
  if (rule->skip > 0) {
    --rule->skip;
    return std::nullopt;
  }
  const int os_error = rule->os_error;
  if (rule->count != UINT64_MAX && --rule->count == 0) rule.reset();
  return os_error;
}

bool FaultPlan::damage(ByteRange range, std::uint64_t seed) {
  if (damages_.size() == most_damaged_ranges) return false;
  damages_.push_back({range, seed});
  return true;
}

void FaultPlan::spoil(std::uint64_t offset, std::span<std::byte> content) const {
  const std::uint64_t content_end = offset + content.size();
  for (const Damage& damage : damages_) {
    const std::uint64_t first = std::max(offset, damage.range.offset) / sector_size;
    const std::uint64_t end = std::min(content_end, damage.range.end());
    for (std::uint64_t sector = first; sector * sector_size < end; ++sector) {
      const std::uint64_t low = std::max(sector * sector_size, damage.range.offset);
      const std::uint64_t high = std::min((sector + 1) * sector_size, damage.range.end());
      if (low >= high) continue;
      const std::uint64_t chance = mix(damage.seed, sector, 0);
      const std::uint64_t at = low + (chance >> 3) % (high - low);
      if (at < offset || at >= content_end) continue;
      content[at - offset] ^= static_cast<std::byte>(1u << (chance & 7));
    }
  }
}

void FaultPlan::heal() {
  rules_ = {};
  damages_.clear();
}

}  // namespace brevdue::disk
