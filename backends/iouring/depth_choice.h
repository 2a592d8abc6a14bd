// How many batches the log wants in flight, from how long its writes take: one while the disk's
// operations are the scarce thing, more while a write is quick. One thread notes, any asks.
//
// A write's share of the time is what it took, divided by how many were in flight: on a disk that
// serves them one after the other it is what one operation costs, whatever the depth.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace brevdue::backends {

class DepthChoice {
 public:
  static constexpr unsigned depth_max = 4;
  static constexpr std::chrono::nanoseconds quick{1'000'000};
  // From more than one back to one only above this, so that noise decides nothing.
  static constexpr std::chrono::nanoseconds slow{2'000'000};

  void note(std::chrono::nanoseconds took, std::size_t in_flight, unsigned most) {
    const auto share = took / static_cast<std::int64_t>(in_flight);
    // A mean over the last eight or so: one slow write is no slow disk.
    usual_ = noted_ ? usual_ + (share - usual_) / 8 : share;
    noted_ = true;
    const bool several = depth() > 1;
    const bool more = several ? usual_ < slow : usual_ < quick;
    depth_.store(more ? most : 1, std::memory_order_relaxed);
  }

  unsigned depth() const { return depth_.load(std::memory_order_relaxed); }

 private:
  std::chrono::nanoseconds usual_{0};
  bool noted_ = false;
  std::atomic<unsigned> depth_{1};
};

}  // namespace brevdue::backends
