// A 4-ary heap of 32-bit indices, smallest key first, that knows where each index lies, so that any
// of them can be moved or taken out in O(log n). It holds four bytes an element; key and position
// live with the elements:
//
//   Access::key(index)           the key, anything with <
//   Access::position(index)      std::uint32_t&, the heap's to use while the index is in it
//
// The keys of elements inside must change only through update(), or for all of them by a function
// that keeps their order.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/error.h"

namespace brevdue::scheduler {

class PositionHeap {
 public:
  bool empty() const { return indices_.empty(); }
  std::size_t size() const { return indices_.size(); }
  std::uint32_t top() const { return indices_.front(); }
  std::span<const std::uint32_t> indices() const { return indices_; }

  template <class Access>
  void push(Access access, std::uint32_t index) {
    // A large one grows by an eighth: a backlog's heap is most of the time nearly full.
    if (indices_.size() == indices_.capacity() && indices_.size() >= 1024) {
      indices_.reserve(indices_.size() + indices_.size() / 8);
    }
    indices_.push_back(index);
    rise(access, indices_.size() - 1);
  }

  template <class Access>
  void remove(Access access, std::uint32_t index) {
    const std::size_t hole = access.position(index);
    BREVDUE_ASSERT(hole < indices_.size() && indices_[hole] == index);
    const std::uint32_t last = indices_.back();
    indices_.pop_back();
    if (last != index) {
      place(access, hole, last);
      update(access, last);
    }
    // A burst that is over gives its memory back.
    if (indices_.capacity() > 1024 && indices_.size() < indices_.capacity() / 4) {
      indices_.shrink_to_fit();
    }
  }

  // The key of `index` has changed.
  template <class Access>
  void update(Access access, std::uint32_t index) {
    sink(access, rise(access, access.position(index)));
  }

 private:
  template <class Access>
  void place(Access access, std::size_t at, std::uint32_t index) {
    indices_[at] = index;
    access.position(index) = static_cast<std::uint32_t>(at);
  }

  template <class Access>
  std::size_t rise(Access access, std::size_t at) {
    const std::uint32_t moving = indices_[at];
    while (at > 0) {
      const std::size_t parent = (at - 1) / 4;
      if (!(access.key(moving) < access.key(indices_[parent]))) break;
      place(access, at, indices_[parent]);
      at = parent;
    }
    place(access, at, moving);
    return at;
  }

  template <class Access>
  void sink(Access access, std::size_t at) {
    const std::uint32_t moving = indices_[at];
    for (;;) {
      const std::size_t first = at * 4 + 1;
      if (first >= indices_.size()) break;
      std::size_t least = first;
      for (std::size_t child = first + 1; child < first + 4 && child < indices_.size(); ++child) {
        if (access.key(indices_[child]) < access.key(indices_[least])) least = child;
      }
      if (!(access.key(indices_[least]) < access.key(moving))) break;
      place(access, at, indices_[least]);
      at = least;
    }
    place(access, at, moving);
  }

  std::vector<std::uint32_t> indices_;
};

}  // namespace brevdue::scheduler
