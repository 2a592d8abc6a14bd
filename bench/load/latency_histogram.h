// Latencies in microseconds, counted in buckets of at most 1.6 % width; values beyond an hour count
// as an hour. Fixed memory.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace brevdue::load {

class LatencyHistogram {
 public:
  void add(std::uint64_t microseconds);
  std::uint64_t count() const { return count_; }
  std::uint64_t max() const { return max_; }
  // The smallest bucket bound that at least this share (0 to 1) of the values lies below; 0 without
  // values.
  std::uint64_t quantile(double share) const;

 private:
  static constexpr std::size_t steps = 64;
  static constexpr std::size_t octaves = 27;

  std::array<std::uint64_t, steps * octaves> buckets_{};
  std::uint64_t count_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace brevdue::load
