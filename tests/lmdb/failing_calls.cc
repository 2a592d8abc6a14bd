// Both names of each call are defined here, so neither may be an alias of the other.
#undef _FILE_OFFSET_BITS

#include "tests/lmdb/failing_calls.h"

#include <atomic>
#include <cerrno>
#include <thread>

#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

namespace brevdue::tests {

namespace {
struct Plan {
  std::atomic<std::uint64_t> made{0};
  std::atomic<std::uint64_t> fails_from{UINT64_MAX};
  std::atomic<std::uint64_t> fails_to{0};
  std::atomic<int> os_error{0};
};
// Functions that replace those of the C library have no other place for what they need.
Plan plans[2];
std::atomic<std::chrono::milliseconds> large_write_delay{std::chrono::milliseconds(0)};

Plan& plan_of(SystemCall call) {
  return plans[static_cast<std::size_t>(call)];
}

bool fails(SystemCall call) {
  Plan& plan = plan_of(call);
  const std::uint64_t number = ++plan.made;
  if (number < plan.fails_from || number > plan.fails_to) return false;
  errno = plan.os_error;
  return true;
}
}  // namespace

void fail_call(SystemCall call, std::uint64_t nth, int os_error, bool always) {
  Plan& plan = plan_of(call);
  const std::uint64_t first = plan.made + nth;
  plan.os_error = os_error;
  plan.fails_to = always ? UINT64_MAX : first;
  plan.fails_from = first;
}

void delay_large_writes(std::chrono::milliseconds delay) {
  large_write_delay = delay;
}

void heal_calls() {
  large_write_delay = std::chrono::milliseconds(0);
  for (Plan& plan : plans) {
    plan.fails_from = UINT64_MAX;
    plan.fails_to = 0;
  }
}

std::uint64_t calls_made(SystemCall call) {
  return plan_of(call).made;
}

}  // namespace brevdue::tests

using brevdue::tests::fails;
using brevdue::tests::SystemCall;

extern "C" {
ssize_t pwrite(int fd, const void* bytes, size_t size, off_t offset) {
  if (fails(SystemCall::write)) return -1;
  if (size >= 1u << 20) std::this_thread::sleep_for(brevdue::tests::large_write_delay.load());
  return ::syscall(SYS_pwrite64, fd, bytes, size, offset);
}
ssize_t pwrite64(int fd, const void* bytes, size_t size, off_t offset) {
  return pwrite(fd, bytes, size, offset);
}
// LMDB writes neighbouring pages with lseek and writev.
ssize_t writev(int fd, const iovec* parts, int count) {
  if (fails(SystemCall::write)) return -1;
  return ::syscall(SYS_writev, fd, parts, count);
}
int fsync(int fd) {
  return fails(SystemCall::sync) ? -1 : static_cast<int>(::syscall(SYS_fsync, fd));
}
int fdatasync(int fd) {
  return fails(SystemCall::sync) ? -1 : static_cast<int>(::syscall(SYS_fdatasync, fd));
}
}
