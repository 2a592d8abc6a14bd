#include "queue/message_index.h"

namespace brevdue::queue {

std::uint32_t MessageIndex::row_of(mail::QueueId id) const {
  return rows_.find(std::hash<mail::QueueId>{}(id),
                    [&](std::uint32_t row) { return id_at(row) == id; });
}

IndexEntry MessageIndex::entry_at(std::uint32_t row) const {
  const Block& block = *blocks_[row / block_size];
  const std::uint8_t flags = block.flags[row % block_size];
  return {block.locations[row % block_size], (flags & flag_staged) != 0,
          (flags & flag_leaving) != 0};
}

std::optional<IndexEntry> MessageIndex::find(mail::QueueId id) const {
  const std::uint32_t row = row_of(id);
  if (row == KeyIndex::none) return std::nullopt;
  return entry_at(row);
}

std::uint32_t MessageIndex::new_row() {
  if (!free_.empty()) {
    const std::uint32_t row = free_.back();
    free_.pop_back();
    return row;
  }
  BREVDUE_ASSERT(unused_ != KeyIndex::none);
  if (unused_ / block_size == blocks_.size()) blocks_.push_back(std::make_unique<Block>());
  return unused_++;
}

void MessageIndex::write(std::uint32_t row, const IndexEntry& entry) {
  Block& block = *blocks_[row / block_size];
  block.locations[row % block_size] = entry.location;
  std::uint8_t flags = flag_used;
  if (entry.staged) flags |= flag_staged;
  if (entry.leaving) flags |= flag_leaving;
  block.flags[row % block_size] = flags;
}

void MessageIndex::insert(mail::QueueId id, const IndexEntry& entry) {
  BREVDUE_ASSERT(!contains(id));
  const std::uint32_t row = new_row();
  blocks_[row / block_size]->ids[row % block_size] = id;
  write(row, entry);
  rows_.insert(std::hash<mail::QueueId>{}(id), row, hash_of());
  ++size_;
}

void MessageIndex::set(mail::QueueId id, const IndexEntry& entry) {
  const std::uint32_t row = row_of(id);
  BREVDUE_ASSERT(row != KeyIndex::none);
  write(row, entry);
}

void MessageIndex::erase(mail::QueueId id) {
  const std::uint32_t row = row_of(id);
  BREVDUE_ASSERT(row != KeyIndex::none);
  rows_.erase(std::hash<mail::QueueId>{}(id), row, hash_of());
  blocks_[row / block_size]->flags[row % block_size] = 0;
  free_.push_back(row);
  --size_;
  // The memory of a backlog that is gone is given back.
  if (size_ == 0) {
    blocks_.clear();
    free_ = {};
    unused_ = 0;
  }
}

}  // namespace brevdue::queue
