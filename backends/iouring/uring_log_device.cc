#include "backends/iouring/uring_log_device.h"

#include <string>
#include <system_error>
#include <utility>

namespace brevdue::backends {

static std::string refusal(const Error& error) {
  return "io_uring is refused here (" + std::generic_category().message(error.os_error) + "): ";
}

// The memory that may be locked, often no more than twice the arena, is left to whoever attends.
Result<unsigned> UringLogDevice::begin_batches(std::string_view) {
  if (auto opened = ring_.open({}, BatchRing::Use::awaited); !opened) {
    notice(refusal(opened.error()) + "writing the log with pwritev2");
    return 1;
  }
  ring_.listen_for_wake();
  return BatchRing::in_flight_max;
}

void UringLogDevice::start_in(BatchRing& ring, const BatchWrite& write) {
  auto file = descriptor_of(write.number);
  if (!file) return ring.refuse(write.ticket, std::move(file.error()));
  ring.start(write, *file, durable_flags());
}

void UringLogDevice::start_write(const BatchWrite& write) {
  if (!ring_.is_open()) return FileLogDevice::start_write(write);
  start_in(ring_, write);
}

std::optional<EndedWrite> UringLogDevice::await_write() {
  return ring_.is_open() ? ring_.await() : FileLogDevice::await_write();
}

std::optional<LogDevice::Attendance> UringLogDevice::begin_attended(std::string_view arena) {
  if (!ring_.is_open()) return std::nullopt;
  if (auto opened = attended_.open(arena, BatchRing::Use::polled); !opened) {
    notice(refusal(opened.error()) + "a thread of its own writes all of the log");
    return std::nullopt;
  }
  return Attendance{attended_.descriptor(), BatchRing::in_flight_max};
}

bool UringLogDevice::start_attended(const BatchWrite& write) {
  start_in(attended_, write);
  return !attended_.has_refused();
}

}  // namespace brevdue::backends
