// Makes the image of a disk as it was after a power cut at any point of its record.
//
// A cut at point N: the first N events happened. What the last flush before N covers is there; of
// the writes after it what a PowerCut lets survive. For a sweep over all points of a record, open
// one Replay, advance it step by step and write an image at each; the record is then read once.
// Memory: the writes between two flushes. Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/disk/image_file.h"
#include "bench/disk/power_cut.h"
#include "bench/disk/record_reader.h"
#include "bench/disk/volatile_cache.h"

namespace brevdue::disk {

class Replay {
 public:
  // `base` is the image as it was when the record began; empty means zeros. `durable` is made: a
  // working copy that holds what is safe at the current point.
  static Result<Replay> open(const std::string& record, const std::string& base,
                             const std::string& durable);

  // Goes on until `upto` events have happened, or to the end of the record. Going back is
  // invalid_argument. Returns how many events have happened.
  Result<std::uint64_t> advance(std::uint64_t upto);

  // The image after a cut here, in a file of its own; the replay can go on.
  Result<void> write_image(const PowerCut& cut, const std::string& out) const;
  // The same on the working copy itself, which ends the replay.
  Result<void> finish(const PowerCut& cut);

  // The texts of the marks that happened, in order.
  const std::vector<std::string>& marks() const { return marks_; }
  std::uint64_t events() const { return events_; }
  // How many writes no flush has covered yet.
  std::uint64_t unflushed() const { return cache_->pending_writes(); }
  bool at_end() const { return at_end_; }

 private:
  Replay(RecordReader reader, ImageFile durable);
  Result<void> apply(const Event& event);

  RecordReader reader_;
  std::unique_ptr<ImageFile> durable_;  // On the heap: the cache refers to it.
  std::unique_ptr<VolatileCache> cache_;
  std::vector<std::string> marks_;
  std::uint64_t events_ = 0;
  bool at_end_ = false;
};

}  // namespace brevdue::disk
