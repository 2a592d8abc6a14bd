// Which messages of a segment still live, by the offset of their record, and where the latest
// settlement of each lies: sorted lists from which the dead are swept out when they are a quarter.
// Four bytes a message, twelve from the first settlement in the segment on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "backends/iouring/log_record.h"

namespace brevdue::backends {

class LiveSet {
 public:
  // `offsets` ascend and are new; below 2^31. They may lie before those that are there.
  void add(const std::vector<std::uint32_t>& offsets);
  // Behind all that are there.
  void append(std::uint32_t offset);

  bool contains(std::uint32_t offset) const { return find(offset) != entries_.size(); }
  // False if it did not live.
  bool remove(std::uint32_t offset);

  // Where the latest settlement of a living message lies, if it has any.
  std::optional<RecordPlace> settlement(std::uint32_t offset) const;
  // Nothing happens if it does not live.
  void settle(std::uint32_t offset, RecordPlace settlement);

  std::size_t size() const { return live_; }
  std::vector<std::uint32_t> offsets() const;
  // Nothing will be appended any more: gives back what was kept for that.
  void shrink();
  // What it takes.
  std::size_t memory() const;

 private:
  static std::uint32_t offset_of(std::uint32_t entry) { return entry >> 1; }
  static bool is_alive(std::uint32_t entry) { return (entry & 1) != 0; }
  // The index of a living message, or entries_.size().
  std::size_t find(std::uint32_t offset) const;
  void merge(const std::vector<std::uint32_t>& offsets);
  void sweep();

  std::vector<std::uint32_t> entries_;    // offset in the upper 31 bits, lives in the lowest
  std::vector<RecordPlace> settlements_;  // of each entry, generation 0 for none; empty at first
  std::size_t live_ = 0;
};

}  // namespace brevdue::backends
