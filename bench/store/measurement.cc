#include "bench/store/measurement.h"

#include <utility>

#include <fmt/format.h>
#include <sys/resource.h>

namespace brevdue::bench {

static double processor_seconds() {
  rusage used;
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

std::string as_json(const Measurement& measurement) {
  return fmt::format(
      R"({{"seconds": {:.6f}, "processor_seconds": {:.6f}, "messages": {}, "batches": {}, )"
      R"("batch_bytes": {}, "writes": {}, "flushes": {}, "bytes": {}, )"
      R"("p50_us": {}, "p99_us": {}, "max_us": {}}})",
      measurement.seconds, measurement.processor_seconds, measurement.messages, measurement.batches,
      measurement.batch_bytes, measurement.device.writes, measurement.device.flushes,
      measurement.device.bytes, measurement.latencies.quantile(0.5),
      measurement.latencies.quantile(0.99), measurement.latencies.max());
}

Meter::Meter(std::string device)
    : device_(std::move(device)),
      counts_(device_counts(device_)),
      processor_seconds_(processor_seconds()),
      started_(std::chrono::steady_clock::now()) {}

Measurement Meter::read() const {
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started_;
  Measurement measurement;
  measurement.seconds = took.count();
  measurement.processor_seconds = processor_seconds() - processor_seconds_;
  measurement.device = device_counts(device_) - counts_;
  return measurement;
}

}  // namespace brevdue::bench
