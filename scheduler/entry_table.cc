#include "scheduler/entry_table.h"

namespace brevdue::scheduler {

std::uint64_t EntryTable::hash(mail::QueueId message) {
  return std::hash<mail::QueueId>{}(message);
}

std::uint32_t EntryTable::allocate(mail::QueueId message) {
  std::uint32_t index = free_;
  if (index != no_index) {
    free_ = (*this)[index].next_of_message;
  } else {
    if (unused_ == no_index) return no_index;
    index = unused_++;
    if (index / block_size == blocks_.size()) blocks_.push_back(std::make_unique<Block>());
  }
  const std::uint32_t head = find(message);
  Entry& entry = (*this)[index];
  entry = Entry{};
  entry.message = message;
  entry.next_of_message = head;
  if (head == no_index) {
    heads_.insert(hash(message), index, hash_of());
  } else {
    (*this)[head].before_of_message = index;
    heads_.replace(hash(message), head, index);
  }
  ++size_;
  return index;
}

void EntryTable::release(std::uint32_t index) {
  Entry& entry = (*this)[index];
  if (entry.next_of_message != no_index) {
    (*this)[entry.next_of_message].before_of_message = entry.before_of_message;
  }
  if (entry.before_of_message != no_index) {
    (*this)[entry.before_of_message].next_of_message = entry.next_of_message;
  } else if (entry.next_of_message != no_index) {
    heads_.replace(hash(entry.message), index, entry.next_of_message);
  } else {
    heads_.erase(hash(entry.message), index, hash_of());
  }
  entry = Entry{};
  entry.next_of_message = free_;
  free_ = index;
  --size_;
}

std::uint32_t EntryTable::find(mail::QueueId message) const {
  return heads_.find(hash(message),
                     [&](std::uint32_t index) { return (*this)[index].message == message; });
}

void EntryList::push_back(EntryTable& entries, std::uint32_t index) {
  entries[index].link_a = tail_;
  entries[index].link_b = no_index;
  if (tail_ == no_index) {
    head_ = index;
  } else {
    entries[tail_].link_b = index;
  }
  tail_ = index;
}

void EntryList::unlink(EntryTable& entries, std::uint32_t index) {
  Entry& entry = entries[index];
  if (entry.link_a == no_index) {
    head_ = entry.link_b;
  } else {
    entries[entry.link_a].link_b = entry.link_b;
  }
  if (entry.link_b == no_index) {
    tail_ = entry.link_a;
  } else {
    entries[entry.link_b].link_a = entry.link_a;
  }
  entry.link_a = entry.link_b = no_index;
}

}  // namespace brevdue::scheduler
