// What the log needs of the disk: numbered segments of a fixed size, written durably in whole
// blocks. The seam between the log and the operating system, so that tests can cut, tear and fail.
//
// Offsets and sizes are multiples of log_block, and so are the addresses of buffers, unless a call
// says otherwise. A write returns success only when all of its bytes would survive a power cut; a
// short write is an io_failure and is never continued. start() comes first and alone; then
// begin_batches, start_write and await_write are called by one thread only, those with `attended`
// in their name by one thread only, which may be another, everything else by any.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"

namespace brevdue::backends {

struct SegmentFile {
  std::uint32_t number;
  std::uint64_t size;
};

// A batch on its way to the disk.
struct BatchWrite {
  std::uint64_t ticket;  // the caller's, different from those of the others in flight
  std::uint32_t number;  // of the segment
  std::uint64_t offset;
  std::string_view bytes;  // stay as they are until the write has ended
};

struct EndedWrite {
  std::uint64_t ticket;
  Result<void> result;  // success: durable
};

class LogDevice {
 public:
  virtual ~LogDevice() = default;

  // Opens what is there and lists it, in no order; unless read-only, creates the directory and
  // removes segments whose creation was not finished.
  virtual Result<std::vector<SegmentFile>> start() = 0;

  // `arena` is where most batches will come from. Returns how many may be in flight at once.
  virtual Result<unsigned> begin_batches(std::string_view arena) = 0;
  // Also what cannot be started ends in await_write.
  virtual void start_write(const BatchWrite& write) = 0;
  // Waits until one of those in flight has ended, any of them. Nothing after a wake().
  virtual std::optional<EndedWrite> await_write() = 0;
  // From any thread once begin_batches has returned: await_write, or the next one, returns early.
  virtual void wake() = 0;

  // The same for a thread that never waits here but for await_attended: it is told by a descriptor
  // when poll_attended may have something. After begin_batches; nothing where there is no such way.
  struct Attendance {
    int descriptor;          // readable then; the device's
    unsigned in_flight_max;  // at once
  };
  virtual std::optional<Attendance> begin_attended([[maybe_unused]] std::string_view arena) {
    return std::nullopt;
  }
  // False: poll_attended has something already, and the descriptor may not say so.
  virtual bool start_attended([[maybe_unused]] const BatchWrite& write) { return false; }
  virtual std::optional<EndedWrite> await_attended() { return std::nullopt; }
  virtual std::optional<EndedWrite> poll_attended() { return std::nullopt; }

  virtual Result<void> write_durable(std::uint32_t number, std::uint64_t offset,
                                     std::string_view bytes) = 0;
  // Up to `size` bytes, less only at the end of the file; returns how many.
  virtual Result<std::size_t> read(std::uint32_t number, std::uint64_t offset, char* to,
                                   std::size_t size) = 0;

  // A segment of written zeros, durable with its name. Asks before each piece of them whether to go
  // on, and else gives up: cancelled.
  virtual Result<void> create(std::uint32_t number, std::uint64_t size,
                              const std::function<bool()>& goes_on) = 0;
  virtual Result<void> remove(std::uint32_t number) = 0;
  virtual Result<std::uint64_t> free_space() = 0;

  // Keeps damaged bytes (of any size and address) durably under `name` in the quarantine and
  // returns the path.
  virtual Result<std::string> set_aside(const std::string& name, std::string_view bytes) = 0;
  // The same for a whole segment, which is gone from the log afterwards.
  virtual Result<std::string> set_aside_segment(std::uint32_t number, const std::string& name) = 0;
};

}  // namespace brevdue::backends
