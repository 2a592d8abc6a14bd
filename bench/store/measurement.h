// What one run measured, and how it is printed.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "bench/load/latency_histogram.h"
#include "bench/store/device_counts.h"

namespace brevdue::bench {

struct Measurement {
  double seconds = 0;
  double processor_seconds = 0;  // of the process, all threads
  DeviceCounts device;
  std::uint64_t messages = 0;
  std::uint64_t batches = 0;
  std::uint64_t batch_bytes = 0;  // of a write of the bare loop; 0 for a store
  load::LatencyHistogram latencies;
};

// One line, an object.
std::string as_json(const Measurement& measurement);

// Measures from its construction on.
class Meter {
 public:
  // `device` as for device_counts().
  explicit Meter(std::string device);

  // Seconds, processor time and the device's counts; the rest is the caller's to fill in.
  Measurement read() const;

 private:
  std::string device_;
  DeviceCounts counts_;
  double processor_seconds_;
  std::chrono::steady_clock::time_point started_;
};

}  // namespace brevdue::bench
