#include "backends/iouring/batch_ring.h"

#include <cerrno>
#include <utility>

#include <fmt/format.h>
#include <sys/eventfd.h>

namespace brevdue::backends {

namespace {
constexpr unsigned ring_entries = 8;
// Tickets of what is no write. Those of writes are sequences, which never come near.
constexpr std::uint64_t bell = UINT64_MAX;
constexpr std::uint64_t nothing = UINT64_MAX - 1;

// The best that the kernel has: each older kernel refuses the flags it does not know. A ring whose
// completions wait until they are asked for does not make its descriptor readable.
int open_ring(io_uring& ring, BatchRing::Use use) {
  int error = 0;
  for (const unsigned flags :
       {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN, IORING_SETUP_COOP_TASKRUN, 0u}) {
    if (use == BatchRing::Use::polled && (flags & IORING_SETUP_DEFER_TASKRUN) != 0) continue;
    error = -io_uring_queue_init(ring_entries, &ring, flags);
    if (error == 0 || error != EINVAL) break;
  }
  return error;
}
}  // namespace

BatchRing::~BatchRing() {
  if (open_) io_uring_queue_exit(&ring_);
}

Result<void> BatchRing::open(std::string_view arena, Use use) {
  if (const int error = open_ring(ring_, use); error != 0) return fail_os(error, "io_uring");
  open_ = true;
  const iovec all{const_cast<char*>(arena.data()), arena.size()};
  // Refused where little memory may be locked; a plain write costs hardly more. Each ring that
  // registers it counts it once more.
  if (!arena.empty() && io_uring_register_buffers(&ring_, &all, 1) == 0) registered_ = arena;
  return {};
}

void BatchRing::listen_for_wake() {
  bell_.reset(::eventfd(0, EFD_CLOEXEC));
  listen();
}

// Queued only: goes to the kernel with the next call. Without an eventfd a wake is not heard, and
// what was submitted waits until a write has ended.
void BatchRing::listen() {
  if (!bell_) return;
  io_uring_sqe* entry = io_uring_get_sqe(&ring_);
  BREVDUE_ASSERT(entry != nullptr);
  io_uring_prep_read(entry, bell_.get(), &rung_, sizeof rung_, 0);
  io_uring_sqe_set_data64(entry, bell);
}

void BatchRing::wake() {
  const std::uint64_t one = 1;
  // Refused only when it was rung 2^64 times unheard.
  if (bell_ && ::write(bell_.get(), &one, sizeof one) < 0) return;
}

void BatchRing::register_file(const std::shared_ptr<const UniqueFd>& file) {
  const int raw = file->get();
  const bool done = files_registered_ ? io_uring_register_files_update(&ring_, 0, &raw, 1) == 1
                                      : io_uring_register_files(&ring_, &raw, 1) == 0;
  if (!done) return;
  files_registered_ = true;
  file_ = file;
}

void BatchRing::start(const BatchWrite& write, const std::shared_ptr<const UniqueFd>& file,
                      int flags) {
  if (auto given = give_to_kernel(write, file, flags); !given) {
    refuse(write.ticket, std::move(given.error()));
  }
}

Result<void> BatchRing::give_to_kernel(const BatchWrite& write,
                                       const std::shared_ptr<const UniqueFd>& file, int flags) {
  if (file_ != file) register_file(file);
  const bool fixed_file = file_ == file;
  const int target = fixed_file ? 0 : file->get();
  io_uring_sqe* entry = io_uring_get_sqe(&ring_);
  BREVDUE_ASSERT(entry != nullptr);
  const std::string_view bytes = write.bytes;
  const bool fixed_buffer = !registered_.empty() && bytes.data() >= registered_.data() &&
                            bytes.data() + bytes.size() <= registered_.data() + registered_.size();
  const auto size = static_cast<unsigned>(bytes.size());
  if (fixed_buffer) {
    io_uring_prep_write_fixed(entry, target, bytes.data(), size, write.offset, 0);
  } else {
    io_uring_prep_write(entry, target, bytes.data(), size, write.offset);
  }
  if (fixed_file) io_uring_sqe_set_flags(entry, IOSQE_FIXED_FILE);
  entry->rw_flags = flags;
  io_uring_sqe_set_data64(entry, write.ticket);

  int error = 0;
  do {
    error = io_uring_submit(&ring_);
  } while (error == -EINTR);
  if (io_uring_sq_ready(&ring_) > 0) {
    // It must not go out later, when nobody waits for it any more.
    io_uring_prep_nop(entry);
    io_uring_sqe_set_data64(entry, nothing);
    return fail_os(error < 0 ? -error : EAGAIN,
                   fmt::format("io_uring_enter, segment {}", write.number));
  }
  in_kernel_.emplace(write.ticket, InKernel{write.number, bytes.size()});
  return {};
}

std::optional<EndedWrite> BatchRing::await() {
  if (has_refused()) return refused();
  io_uring_cqe* completion = nullptr;
  int error = io_uring_submit_and_wait(&ring_, 1);
  if (error >= 0 || error == -EINTR) {
    do {
      error = io_uring_wait_cqe(&ring_, &completion);
    } while (error == -EINTR);
  }
  if (error < 0) {
    BREVDUE_ASSERT(!in_kernel_.empty());
    return end(in_kernel_.begin()->first, error);
  }
  return take(completion);
}

std::optional<EndedWrite> BatchRing::poll() {
  if (has_refused()) return refused();
  io_uring_cqe* completion = nullptr;
  while (io_uring_peek_cqe(&ring_, &completion) == 0) {
    if (auto ended = take(completion)) return ended;
  }
  return std::nullopt;
}

std::optional<EndedWrite> BatchRing::take(io_uring_cqe* completion) {
  const std::uint64_t ticket = io_uring_cqe_get_data64(completion);
  const int result = completion->res;
  io_uring_cqe_seen(&ring_, completion);
  if (ticket == bell && result > 0) listen();
  if (ticket == bell || ticket == nothing) return std::nullopt;
  return end(ticket, result);
}

EndedWrite BatchRing::refused() {
  EndedWrite ended = std::move(refused_.front());
  refused_.pop_front();
  return ended;
}

EndedWrite BatchRing::end(std::uint64_t ticket, int result) {
  const auto at = in_kernel_.find(ticket);
  BREVDUE_ASSERT(at != in_kernel_.end());
  const auto [number, size] = at->second;
  in_kernel_.erase(at);
  if (result < 0) {
    return {ticket, fail_os(-result, fmt::format("io_uring write, segment {}", number))};
  }
  if (static_cast<std::size_t>(result) != size) {
    return {ticket,
            fail(ErrorCode::io_failure,
                 fmt::format("short write: {} of {} bytes, segment {}", result, size, number))};
  }
  return {ticket, {}};
}

}  // namespace brevdue::backends
