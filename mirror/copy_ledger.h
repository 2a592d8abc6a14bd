// Messages that are being copied to a side that lacks them, and what was asked of them meanwhile.
// Pure; guarded by its owner.
//
// A message is first watched: read from the side that has it, it is what that side says only if
// nothing was asked of it while it was read. Then it is held: what is asked of it for the side that
// it is written to is kept, and done there once it is.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "mail/queue_id.h"
#include "queue/store.h"

namespace brevdue::mirror {

class CopyLedger {
 public:
  struct Kept {
    queue::Mutation mutation;
    std::uint64_t batch;  // waits for it
  };

  // A change is on its way to `side`; true if it is kept in place of being sent.
  bool keep(std::size_t side, mail::QueueId id, const queue::Mutation& mutation,
            std::uint64_t batch);

  void watch(mail::QueueId id) { copies_[id] = {}; }
  bool was_touched(mail::QueueId id) const { return copies_.at(id).touched; }
  void hold(mail::QueueId id, std::size_t to) { copies_.at(id).to = to; }
  // What was kept since the last time, in order.
  std::vector<Kept> take(mail::QueueId id) { return std::exchange(copies_.at(id).kept, {}); }
  void end(mail::QueueId id) { copies_.erase(id); }

 private:
  static constexpr std::size_t nowhere = SIZE_MAX;
  struct Copy {
    std::size_t to = nowhere;
    bool touched = false;
    std::vector<Kept> kept;
  };
  std::unordered_map<mail::QueueId, Copy> copies_;
};

inline bool CopyLedger::keep(std::size_t side, mail::QueueId id, const queue::Mutation& mutation,
                             std::uint64_t batch) {
  if (copies_.empty()) return false;
  const auto at = copies_.find(id);
  if (at == copies_.end()) return false;
  at->second.touched = true;
  if (at->second.to != side) return false;
  at->second.kept.push_back({mutation, batch});
  return true;
}

}  // namespace brevdue::mirror
