// Which of the coming requests fail, and which bytes are read back damaged. Pure: requests are
// counted, no time is looked at. Not thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "bench/disk/medium.h"
#include "bench/disk/request_cost.h"

namespace brevdue::disk {

class FaultPlan {
 public:
  struct Rule {
    std::uint64_t skip;   // Requests that still succeed.
    std::uint64_t count;  // Requests that then fail, at least 1; UINT64_MAX: all until healed.
    int os_error;
  };
  static constexpr std::size_t most_damaged_ranges = 64;

  // Replaces what was planned for requests of this kind.
  void plan(Request request, Rule rule) { rules_[index_of(request)] = rule; }
  // The error that this request gets, if any; counts it.
  std::optional<int> next(Request request);

  // False when there are too many damaged ranges.
  bool damage(ByteRange range, std::uint64_t seed);
  // Flips one bit in each damaged sector, always the same, in what was read from `offset` on.
  void spoil(std::uint64_t offset, std::span<std::byte> content) const;

  void heal();

 private:
  struct Damage {
    ByteRange range;
    std::uint64_t seed;
  };
  static std::size_t index_of(Request request) { return static_cast<std::size_t>(request); }

  std::array<std::optional<Rule>, 3> rules_;
  std::vector<Damage> damages_;
};

}  // namespace brevdue::disk
