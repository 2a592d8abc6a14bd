// Keeps blank segments ready and gives up those that nobody needs, in a thread of its own, so that
// no commit waits for 64 MiB of zeros or for a look through the log.
//
// A checkpoint writes the meaning of the small records of all closed segments again: a survivor
// list for each generation that tombstones speak of, and the whole delivery state of each living
// message that settlements speak of. After it the closed segments speak of nothing.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "backends/iouring/log_device.h"
#include "backends/iouring/log_writer.h"
#include "backends/iouring/segment_pool.h"

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
  // What one pass over the closed segments looks for: states of messages in these generations.
  struct Slice {
    std::map<std::uint32_t, std::vector<std::uint32_t>> living;  // generation, offsets
  };

  void create(const std::atomic<bool>& cancelled);
  void retire(std::uint32_t generation);
  void remove_blank(std::uint32_t number);
  void look_at_free_space();
  Result<void> checkpoint(const std::atomic<bool>& cancelled);
  std::vector<Slice> slices(const std::vector<Segment>& closed);
  Result<void> write_states(const std::vector<Segment>& closed, const Slice& slice,
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
