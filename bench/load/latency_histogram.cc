#include "bench/load/latency_histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace brevdue::load {

namespace {

constexpr std::uint64_t hour = 3'600'000'000;

// Values below 64 have a bucket each; above, each power of two has 64.
std::size_t bucket_of(std::uint64_t value, std::size_t steps) {
  if (value < steps) return value;
  const auto octave = static_cast<std::size_t>(std::bit_width(value)) - 6;
  return octave * steps + ((value >> (octave - 1)) - steps);
}

std::uint64_t upper_bound_of(std::size_t bucket, std::size_t steps) {
  const std::size_t octave = bucket / steps;
  if (octave == 0) return bucket;
  return ((steps + bucket % steps + 1) << (octave - 1)) - 1;
}

}  // namespace

void LatencyHistogram::add(std::uint64_t microseconds) {
  const std::uint64_t value = std::min(microseconds, hour);
  const std::size_t bucket = bucket_of(value, steps);
  ++buckets_.at(bucket);
  ++count_;
  max_ = std::max(max_, value);
}

std::uint64_t LatencyHistogram::quantile(double share) const {
  if (count_ == 0) return 0;
  const auto wanted = std::max<std::uint64_t>(
      1, static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_))));
  std::uint64_t seen = 0;
  for (std::size_t bucket = 0; bucket < buckets_.size(); ++bucket) {
    seen += buckets_[bucket];
    if (seen >= wanted) return std::min(upper_bound_of(bucket, steps), max_);
  }
  return max_;
}

}  // namespace brevdue::load
