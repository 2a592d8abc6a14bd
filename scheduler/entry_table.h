// The entries of the due index, 48 bytes each, in blocks that never move, and where those of a
// message are found.
//
// An entry is one job: a slice of the recipients of one message for one destination. The entries of
// a message form a chain; the id finds its first one. Indices are reused; whoever keeps one owns
// the entry's state.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/clock.h"
#include "core/key_index.h"
#include "mail/queue_id.h"

namespace brevdue::scheduler {

inline constexpr std::uint32_t no_index = KeyIndex::none;

enum class EntryState : std::uint8_t {
  free,
  waiting,    // in its destination's due heap; link_a is the position
  ready,      // due, in a lane of its destination
  alone,      // due and suspect, in the list of those that run alone
  in_flight,  // handed out, counted by the window
  returned,   // handed out as suspended, not counted
  held,
};

struct Entry {
  mail::QueueId message;
  SteadyTime due;
  std::uint32_t destination = no_index;
  std::uint32_t next_of_message = no_index;
  std::uint32_t before_of_message = no_index;
  std::uint32_t link_a = no_index;  // heap position, or the one before in a list
  std::uint32_t link_b = no_index;  // the one after in a list
  std::uint16_t first = 0;
  std::uint16_t count = 0;
  std::uint16_t sender = 0;
  std::uint16_t attempts = 0;  // that have ended
  EntryState state = EntryState::free;
  std::uint8_t suspect = 0;  // crashes during its attempts, since one that ended well
  bool bulk : 1 = false;     // ready: in which of the two classes
  bool hold_after : 1 = false;
  bool remove_after : 1 = false;
  bool exclusive : 1 = false;
};
static_assert(sizeof(Entry) == 48);

class EntryTable {
 public:
  Entry& operator[](std::uint32_t index) {
    return (*blocks_[index / block_size])[index % block_size];
  }
  const Entry& operator[](std::uint32_t index) const {
    return (*blocks_[index / block_size])[index % block_size];
  }
  std::size_t size() const { return size_; }

  // A new entry at the head of its message's chain. no_index if 2^32 - 1 are in use.
  std::uint32_t allocate(mail::QueueId message);
  void release(std::uint32_t index);
  // The first entry of a message, or no_index.
  std::uint32_t find(mail::QueueId message) const;

 private:
  static constexpr std::size_t block_size = 4096;
  using Block = std::array<Entry, block_size>;

  static std::uint64_t hash(mail::QueueId message);
  auto hash_of() const {
    return [this](std::uint32_t index) { return hash((*this)[index].message); };
  }

  std::vector<std::unique_ptr<Block>> blocks_;
  KeyIndex heads_;                 // of the chains
  std::uint32_t free_ = no_index;  // chained through next_of_message
  std::uint32_t unused_ = 0;       // never handed out yet, from here up
  std::size_t size_ = 0;
};

// A queue of entries, linked through the entries themselves.
class EntryList {
 public:
  bool empty() const { return head_ == no_index; }
  std::uint32_t front() const { return head_; }
  void push_back(EntryTable& entries, std::uint32_t index);
  void unlink(EntryTable& entries, std::uint32_t index);

 private:
  std::uint32_t head_ = no_index;
  std::uint32_t tail_ = no_index;
};

}  // namespace brevdue::scheduler
