// What a request costs on the disk that is played, and waiting for it exactly.
//
// A request takes its fixed time plus its bytes over the bandwidth; zero means free. The disk
// serves one request at a time, so that the costs of requests add up.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace brevdue::disk {

enum class Request { read, write, flush };

struct RequestCost {
  std::chrono::nanoseconds read{0};
  std::chrono::nanoseconds write{0};
  std::chrono::nanoseconds flush{0};
  std::uint64_t bytes_per_second = 0;  // Of reads and writes; 0: without limit.

  std::chrono::nanoseconds of(Request request, std::uint64_t bytes) const;
};

// Asks the kernel for wake-ups without slack in this thread; wait_until relies on it.
bool request_exact_wakeups();

// Sleeps until shortly before `deadline` and spins the rest: within a few microseconds of it.
void wait_until(std::chrono::steady_clock::time_point deadline);

}  // namespace brevdue::disk
