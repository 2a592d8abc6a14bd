// The serving half of brevdue-disk: image, record, control channel and FUSE mount put together.
#pragma once

#include <cstdint>
#include <string>

#include "bench/disk/disk.h"
#include "core/error.h"

namespace brevdue::disk {

struct ServeOptions {
  std::string image;
  std::string mount;
  std::string control;
  std::string record;  // Empty: no record.
  std::uint64_t record_limit = 0;
  std::uint64_t size = 0;  // Non-zero: make the image new, of that size.
  bool sparse = false;
  bool background = false;
  Disk::Options disk;
};

// Returns when the disk was stopped by `quit`, a signal or an unmount. With `background` the
// caller's process returns as soon as the disk is ready, or with the reason why it is not.
Result<void> serve(const ServeOptions& options);

}  // namespace brevdue::disk
