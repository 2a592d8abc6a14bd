// The log on files, its batches written through io_uring: one write with RWF_DSYNC a batch, several
// in flight if so asked, on a ring that only the batch thread uses. Buffer and descriptor are
// registered where the limits on locked memory allow it. Where the kernel, a seccomp filter or a
// sysctl refuses io_uring, begin_batches says so and pwritev2 does the same work.
#pragma once

#include <map>

#include <liburing.h>

#include "backends/iouring/file_log_device.h"

namespace brevdue::backends {

class UringLogDevice final : public FileLogDevice {
 public:
  using FileLogDevice::FileLogDevice;
  ~UringLogDevice() override;

  Result<unsigned> begin_batches(std::string_view arena) override;
  void start_write(const BatchWrite& write) override;
  std::optional<EndedWrite> await_write() override;
  void wake() override;

 private:
  struct InKernel {
    std::uint32_t number;
    std::size_t size;
  };

  Result<void> give_to_kernel(const BatchWrite& write);
  void register_segment(const SharedFd& fd);
  void listen();
  EndedWrite end(std::uint64_t ticket, int result);

  io_uring ring_{};
  bool has_ring_ = false;
  std::string_view registered_;  // empty: not registered
  SharedFd file_;                // the segment in the registered slot
  bool files_registered_ = false;
  std::map<std::uint64_t, InKernel> in_kernel_;  // by ticket
  UniqueFd bell_;                                // an eventfd that the ring reads
  std::uint64_t rung_ = 0;                       // what it read
};

}  // namespace brevdue::backends
