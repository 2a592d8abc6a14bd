// The log on files, its batches written through io_uring (batch_ring.h). The batch thread has a
// ring of its own and so has whoever attends. Where io_uring is refused, begin_batches says so and
// pwritev2 does the same work; then there is nothing to attend.
#pragma once

#include "backends/iouring/batch_ring.h"
#include "backends/iouring/file_log_device.h"

namespace brevdue::backends {

class UringLogDevice final : public FileLogDevice {
 public:
  using FileLogDevice::FileLogDevice;

  Result<unsigned> begin_batches(std::string_view arena) override;
  void start_write(const BatchWrite& write) override;
  std::optional<EndedWrite> await_write() override;
  void wake() override { ring_.wake(); }

  std::optional<Attendance> begin_attended(std::string_view arena) override;
  bool start_attended(const BatchWrite& write) override;
  std::optional<EndedWrite> await_attended() override { return attended_.await(); }
  std::optional<EndedWrite> poll_attended() override { return attended_.poll(); }

 private:
  void start_in(BatchRing& ring, const BatchWrite& write);

  BatchRing ring_;
  BatchRing attended_;
};

}  // namespace brevdue::backends
