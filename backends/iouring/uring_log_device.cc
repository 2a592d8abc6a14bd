#include "backends/iouring/uring_log_device.h"

#include <cerrno>
#include <system_error>

#include <fmt/format.h>

namespace brevdue::backends {

namespace {
constexpr unsigned ring_entries = 8;

// The best that the kernel has: each older kernel refuses the flags it does not know.
int open_ring(io_uring& ring) {
  int error = 0;
  for (const unsigned flags :
       {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN, IORING_SETUP_COOP_TASKRUN, 0u}) {
    error = -io_uring_queue_init(ring_entries, &ring, flags);
    if (error == 0 || error != EINVAL) break;
  }
  return error;
}
}  // namespace

UringLogDevice::~UringLogDevice() {
  if (has_ring_) io_uring_queue_exit(&ring_);
}

Result<void> UringLogDevice::begin_batches(std::string_view arena) {
  if (const int error = open_ring(ring_); error != 0) {
    notice(fmt::format("io_uring is refused here ({}): writing the log with pwritev2",
                       std::generic_category().message(error)));
    return {};
  }
  has_ring_ = true;
  const iovec all{const_cast<char*>(arena.data()), arena.size()};
  // Refused where little memory may be locked; a plain write costs hardly more.
  if (io_uring_register_buffers(&ring_, &all, 1) == 0) registered_ = arena;
  return {};
}

void UringLogDevice::register_segment(const SharedFd& fd) {
  const int raw = fd->get();
  const bool done = files_registered_ ? io_uring_register_files_update(&ring_, 0, &raw, 1) == 1
                                      : io_uring_register_files(&ring_, &raw, 1) == 0;
  if (!done) return;
  files_registered_ = true;
  file_ = fd;
}

Result<void> UringLogDevice::write_batch(std::uint32_t number, std::uint64_t offset,
                                         std::string_view bytes) {
  if (!has_ring_) return FileLogDevice::write_batch(number, offset, bytes);
  auto fd = descriptor_of(number);
  if (!fd) return propagate(std::move(fd.error()));
  if (file_ != *fd) register_segment(*fd);
  const bool fixed_file = file_ == *fd;
  const int target = fixed_file ? 0 : (*fd)->get();
  io_uring_sqe* entry = io_uring_get_sqe(&ring_);
  BREVDUE_ASSERT(entry != nullptr);
  const bool fixed_buffer = !registered_.empty() && bytes.data() >= registered_.data() &&
                            bytes.data() + bytes.size() <= registered_.data() + registered_.size();
  const auto size = static_cast<unsigned>(bytes.size());
  if (fixed_buffer) {
    io_uring_prep_write_fixed(entry, target, bytes.data(), size, offset, 0);
  } else {
    io_uring_prep_write(entry, target, bytes.data(), size, offset);
  }
  if (fixed_file) io_uring_sqe_set_flags(entry, IOSQE_FIXED_FILE);
  entry->rw_flags = durable_flags();

  io_uring_cqe* completion = nullptr;
  int error = io_uring_submit_and_wait(&ring_, 1);
  if (error >= 0 || error == -EINTR) {
    do {
      error = io_uring_wait_cqe(&ring_, &completion);
    } while (error == -EINTR);
  }
  if (error < 0) return fail_os(-error, fmt::format("io_uring_enter, segment {}", number));
  const int written = completion->res;
  io_uring_cqe_seen(&ring_, completion);
  if (written < 0) return fail_os(-written, fmt::format("io_uring write, segment {}", number));
  if (static_cast<std::size_t>(written) != bytes.size()) {
    return fail(ErrorCode::io_failure, fmt::format("short write: {} of {} bytes, segment {}",
                                                   written, bytes.size(), number));
  }
  return {};
}

}  // namespace brevdue::backends
