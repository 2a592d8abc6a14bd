// The log on files, its batches written through io_uring: one write with RWF_DSYNC a batch, on a
// ring that only the batch thread uses. Buffer and descriptor are registered where the limits on
// locked memory allow it. Where the kernel, a seccomp filter or a sysctl refuses io_uring,
// begin_batches says so and pwritev2 does the same work.
#pragma once

#include <liburing.h>

#include "backends/iouring/file_log_device.h"

namespace brevdue::backends {

class UringLogDevice final : public FileLogDevice {
 public:
  using FileLogDevice::FileLogDevice;
  ~UringLogDevice() override;

  Result<void> begin_batches(std::string_view arena) override;
  Result<void> write_batch(std::uint32_t number, std::uint64_t offset,
                           std::string_view bytes) override;

 private:
  void register_segment(const SharedFd& fd);

  io_uring ring_{};
  bool has_ring_ = false;
  std::string_view registered_;  // empty: not registered
  SharedFd file_;                // the segment in the registered slot
  bool files_registered_ = false;
};

}  // namespace brevdue::backends
