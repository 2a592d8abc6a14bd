// What is due for one destination, fair between senders: sixteen lanes chosen by a hash of the
// reverse-path, served in turn, first in first out inside a lane.
//
// The lanes take memory only while something is in them.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <memory>

#include "scheduler/entry_table.h"

namespace brevdue::scheduler {

class ReadyQueue {
 public:
  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }

  void push(EntryTable& entries, std::uint32_t index) {
    if (!lanes_) lanes_ = std::make_unique<Lanes>();
    const unsigned lane = lane_of(entries[index]);
    (*lanes_)[lane].push_back(entries, index);
    occupied_ = static_cast<std::uint16_t>(occupied_ | (1U << lane));
    ++size_;
  }

  void remove(EntryTable& entries, std::uint32_t index) {
    const unsigned lane = lane_of(entries[index]);
    (*lanes_)[lane].unlink(entries, index);
    if ((*lanes_)[lane].empty()) occupied_ = static_cast<std::uint16_t>(occupied_ & ~(1U << lane));
    if (--size_ == 0) lanes_.reset();
  }

  // The queue must not be empty.
  std::uint32_t pop(EntryTable& entries) {
    const auto ahead = std::rotr(occupied_, next_lane_);
    const auto lane = static_cast<unsigned>(next_lane_ + std::countr_zero(ahead)) % lane_count;
    next_lane_ = static_cast<std::uint8_t>((lane + 1) % lane_count);
    const std::uint32_t index = (*lanes_)[lane].front();
    remove(entries, index);
    return index;
  }

 private:
  static constexpr unsigned lane_count = 16;
  using Lanes = std::array<EntryList, lane_count>;

  static unsigned lane_of(const Entry& entry) { return entry.sender % lane_count; }

  std::unique_ptr<Lanes> lanes_;
  std::uint32_t size_ = 0;
  std::uint16_t occupied_ = 0;  // one bit a lane
  std::uint8_t next_lane_ = 0;
};

}  // namespace brevdue::scheduler
