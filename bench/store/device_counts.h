// What the kernel counts of the block device under a directory (/sys/dev/block/M:N/stat).
#pragma once

#include <cstdint>
#include <string>

namespace brevdue::bench {

struct DeviceCounts {
  std::uint64_t writes = 0;  // without flushes, which the kernel counts as writes too
  std::uint64_t flushes = 0;
  std::uint64_t bytes = 0;

  DeviceCounts operator-(const DeviceCounts& before) const {
    return {writes - before.writes, flushes - before.flushes, bytes - before.bytes};
  }
};

// All zero where there is no such device (tmpfs).
DeviceCounts device_counts(const std::string& directory);

}  // namespace brevdue::bench
