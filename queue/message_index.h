// The one index of what is queued: for each message where the store keeps it, and no more; what
// else there is to know lies on the disk. 21 bytes a message and 5.3 to 8 to find it by its id.
//
// Records lie in blocks that never move, so that a growing queue is never copied. Loop thread only.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/key_index.h"
#include "mail/queue_id.h"
#include "queue/store.h"

namespace brevdue::queue {

struct IndexEntry {
  Location location;
  bool staged = false;   // its content lies in a file of its own
  bool leaving = false;  // a discard is on its way to the disk
};

class MessageIndex {
 public:
  std::size_t size() const { return size_; }
  bool contains(mail::QueueId id) const { return row_of(id) != KeyIndex::none; }
  std::optional<IndexEntry> find(mail::QueueId id) const;

  // The id must be new.
  void insert(mail::QueueId id, const IndexEntry& entry);
  // The id must be known.
  void set(mail::QueueId id, const IndexEntry& entry);
  void erase(mail::QueueId id);

  // Calls visit(id, entry) for each; the index must not change meanwhile.
  template <class Visit>
  void for_each(Visit visit) const {
    for (std::uint32_t row = 0; row < unused_; ++row) {
      if ((flags_at(row) & flag_used) != 0) visit(id_at(row), entry_at(row));
    }
  }

 private:
  static constexpr std::size_t block_size = 4096;
  static constexpr std::uint8_t flag_used = 1;
  static constexpr std::uint8_t flag_staged = 2;
  static constexpr std::uint8_t flag_leaving = 4;

  struct Block {
    std::array<mail::QueueId, block_size> ids;
    std::array<Location, block_size> locations;
    std::array<std::uint8_t, block_size> flags;
  };

  mail::QueueId id_at(std::uint32_t row) const {
    return blocks_[row / block_size]->ids[row % block_size];
  }
  std::uint8_t flags_at(std::uint32_t row) const {
    return blocks_[row / block_size]->flags[row % block_size];
  }
  IndexEntry entry_at(std::uint32_t row) const;
  std::uint32_t row_of(mail::QueueId id) const;
  std::uint32_t new_row();
  void write(std::uint32_t row, const IndexEntry& entry);
  auto hash_of() const {
    return [this](std::uint32_t row) { return std::hash<mail::QueueId>{}(id_at(row)); };
  }

  std::vector<std::unique_ptr<Block>> blocks_;
  KeyIndex rows_;
  std::vector<std::uint32_t> free_;
  std::uint32_t unused_ = 0;  // rows from here up were never used
  std::size_t size_ = 0;
};

}  // namespace brevdue::queue
