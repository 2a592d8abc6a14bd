// What the kernel counts of a block device (/sys/dev/block/M:N/stat).
#pragma once

#include <cstdint>
#include <string>

namespace brevdue::bench {

struct DeviceCounts {
  // An explicit flush is counted among the writes too; one that belongs to a write, as those of a
  // journal's commit do, is not. A direct write with O_DSYNC is one write and one explicit flush.
  std::uint64_t writes = 0;
  std::uint64_t flushes = 0;
  std::uint64_t bytes = 0;

  DeviceCounts operator-(const DeviceCounts& before) const {
    return {writes - before.writes, flushes - before.flushes, bytes - before.bytes};
  }
};

// `path` is a block device, or something on the file system of one. All zero where there is no such
// device: on tmpfs, and on btrfs, whose files name none, so that the device must be named there.
DeviceCounts device_counts(const std::string& path);

}  // namespace brevdue::bench
