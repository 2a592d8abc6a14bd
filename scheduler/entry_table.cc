#include "scheduler/entry_table.h"

#include "core/error.h"

namespace brevdue::scheduler {

EntryTable::EntryTable() = default;

std::uint64_t EntryTable::hash(mail::QueueId message) {
  return std::hash<mail::QueueId>{}(message);
}

std::size_t EntryTable::slot_of(const Part& part, mail::QueueId message) const {
  const std::size_t mask = part.slots.size() - 1;
  std::size_t slot = (hash(message) >> 24) & mask;
  while (part.slots[slot] != no_index && (*this)[part.slots[slot]].message != message) {
    slot = (slot + 1) & mask;
  }
  return slot;
}

void EntryTable::grow(Part& part) {
  std::vector<std::uint32_t> old(part.slots.empty() ? 16 : part.slots.size() * 2, no_index);
  old.swap(part.slots);
  for (const std::uint32_t head : old) {
    if (head != no_index) part.slots[slot_of(part, (*this)[head].message)] = head;
  }
}

// Closes the gap, so that a search never meets a hole before what it looks for.
void EntryTable::erase(Part& part, std::size_t slot) {
  const std::size_t mask = part.slots.size() - 1;
  std::size_t hole = slot;
  for (std::size_t next = (slot + 1) & mask; part.slots[next] != no_index;
       next = (next + 1) & mask) {
    const std::size_t home = (hash((*this)[part.slots[next]].message) >> 24) & mask;
    if (((next - home) & mask) >= ((next - hole) & mask)) {
      part.slots[hole] = part.slots[next];
      hole = next;
    }
  }
  part.slots[hole] = no_index;
  --part.used;
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
  Part& part = parts_[hash(message) >> 56];
  if (part.used * 4 >= part.slots.size() * 3) grow(part);
  const std::size_t slot = slot_of(part, message);
  Entry& entry = (*this)[index];
  entry = Entry{};
  entry.message = message;
  entry.next_of_message = part.slots[slot];
  if (part.slots[slot] == no_index) {
    ++part.used;
  } else {
    (*this)[part.slots[slot]].before_of_message = index;
  }
  part.slots[slot] = index;
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
  } else {
    Part& part = parts_[hash(entry.message) >> 56];
    const std::size_t slot = slot_of(part, entry.message);
    BREVDUE_ASSERT(part.slots[slot] == index);
    if (entry.next_of_message == no_index) {
      erase(part, slot);
    } else {
      part.slots[slot] = entry.next_of_message;
    }
  }
  entry = Entry{};
  entry.next_of_message = free_;
  free_ = index;
  --size_;
}

std::uint32_t EntryTable::find(mail::QueueId message) const {
  const Part& part = parts_[hash(message) >> 56];
  return part.slots.empty() ? no_index : part.slots[slot_of(part, message)];
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
