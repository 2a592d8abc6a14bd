// Makes the N-th system call of a kind fail in this whole program, liblmdb included: its writes and
// syncs go through no seam of ours. Calls that are to fail are not made. Thread-safe.
#pragma once

#include <chrono>
#include <cstdint>

namespace brevdue::tests {

enum class SystemCall { write, sync };  // pwrite and writev; fsync and fdatasync

// The `nth` (from 1) call from now on fails with `os_error`, and all after it if `always`.
void fail_call(SystemCall call, std::uint64_t nth, int os_error, bool always);
// Each pwrite of a mebibyte or more, such as growth makes, first waits for so long.
void delay_large_writes(std::chrono::milliseconds delay);
void heal_calls();
std::uint64_t calls_made(SystemCall call);

}  // namespace brevdue::tests
