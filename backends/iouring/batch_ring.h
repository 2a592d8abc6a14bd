// One io_uring for the batches of a log: each is one write with RWF_DSYNC, several may be under
// way. Buffer and descriptor are registered where the limits on locked memory allow it. Used by the
// thread that opened it, but for wake().
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string_view>

#include <liburing.h>

#include "backends/iouring/log_device.h"
#include "core/error.h"
#include "core/unique_fd.h"

namespace brevdue::backends {

class BatchRing {
 public:
  static constexpr unsigned in_flight_max = 4;

  BatchRing() = default;
  ~BatchRing();
  BatchRing(const BatchRing&) = delete;
  BatchRing& operator=(const BatchRing&) = delete;

  enum class Use { awaited, polled };
  // `arena` is where most batches will come from; empty if it is not to be locked for them. An
  // error where the kernel, a seccomp filter or a sysctl refuses io_uring.
  Result<void> open(std::string_view arena, Use use);
  bool is_open() const { return open_; }
  // Readable when poll() may have something.
  int descriptor() const { return ring_.ring_fd; }

  // `file` is that of the segment, `flags` those of pwritev2. Also what the kernel does not take
  // ends in await() or poll().
  void start(const BatchWrite& write, const std::shared_ptr<const UniqueFd>& file, int flags);
  // Something that the kernel did not take waits there.
  bool has_refused() const { return !refused_.empty(); }
  void refuse(std::uint64_t ticket, Error why) {
    refused_.push_back({ticket, std::unexpected(std::move(why))});
  }
  // Waits until one of those under way has ended, any of them. Nothing after a wake().
  std::optional<EndedWrite> await();
  // Without waiting; nothing if none has ended.
  std::optional<EndedWrite> poll();

  // await() will return early at wake(), which any thread may call.
  void listen_for_wake();
  void wake();

 private:
  struct InKernel {
    std::uint32_t number;
    std::size_t size;
  };

  Result<void> give_to_kernel(const BatchWrite& write, const std::shared_ptr<const UniqueFd>& file,
                              int flags);
  void register_file(const std::shared_ptr<const UniqueFd>& file);
  void listen();
  std::optional<EndedWrite> take(io_uring_cqe* completion);
  EndedWrite refused();
  EndedWrite end(std::uint64_t ticket, int result);

  io_uring ring_{};
  bool open_ = false;
  std::string_view registered_;           // empty: not registered
  std::shared_ptr<const UniqueFd> file_;  // the segment in the registered slot
  bool files_registered_ = false;
  std::map<std::uint64_t, InKernel> in_kernel_;  // by ticket
  std::deque<EndedWrite> refused_;
  UniqueFd bell_;           // an eventfd that the ring reads
  std::uint64_t rung_ = 0;  // what it read
};

}  // namespace brevdue::backends
