// Keeps blank segments ready, gives up those that nobody needs and empties those that hold little
// (LogCompaction), in a thread of its own, so that no commit waits for 64 MiB of zeros or for a
// look through the log.
//
// A checkpoint writes the meaning of the small records of all closed segments again: a survivor
// list for each generation that tombstones speak of, and the whole delivery state of each living
// message that settlements speak of. After it the closed segments speak of nothing.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "backends/iouring/log_device.h"
#include "backends/iouring/log_writer.h"
#include "backends/iouring/segment_pool.h"
#include "backends/iouring/state_gatherer.h"

namespace brevdue::backends {

class Caretaker {
 public:
  struct Options {
    std::uint32_t segment_size;
    std::function<void(std::string)> notice;
  };

  Caretaker(LogDevice& device, SegmentPool& pool, LogWriter& writer, Options options)
      : device_(device), pool_(pool), writer_(writer), options_(std::move(options)) {}

  // Until the pool is stopped. `cancelled` cuts short what takes long.
  void run(const std::atomic<bool>& cancelled);

  // One segment, made in the caller's thread.
  Result<void> create_segment(const std::atomic<bool>& cancelled);

 private:
  void create(const std::atomic<bool>& cancelled);
  void make_way(std::chrono::nanoseconds took, const std::atomic<bool>& cancelled);
  void retire(std::uint32_t generation);
  Result<void> make_blank(const SegmentHeader& header);
  void retire_free();
  void remove_blank(std::uint32_t number);
  void look_at_free_space();
  Result<void> checkpoint(const std::atomic<bool>& cancelled);
  Result<void> compact(const std::atomic<bool>& cancelled);
  // What each pass over the closed segments looks for.
  std::vector<MessageOffsets> slices(const std::vector<Segment>& closed);
  Result<void> write_states(const std::vector<Segment>& closed, const MessageOffsets& slice,
                            std::uint64_t through_sequence, const std::atomic<bool>& cancelled);
  Result<void> write_in_pieces(std::vector<LogItem> items, const std::atomic<bool>& cancelled);
  Result<void> write_piece(std::vector<LogItem>& piece, const std::atomic<bool>& cancelled);
  void make_spares(const std::atomic<bool>& cancelled);

  LogDevice& device_;
  SegmentPool& pool_;
  LogWriter& writer_;
  Options options_;
};

}  // namespace brevdue::backends
