// What the threads of the store share: the book of segments, the blank ones kept ready, how many
// more the disk would hold, and whether the log has failed for good. Thread-safe; the book is only
// seen under the lock, through with_table().
//
// Room is counted in segments. Content is taken only while two segments would be left after it,
// settlements and discards while one would, so that the store can always write down what frees
// room; the last is for checkpoints (Purpose::upkeep).
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include "backends/iouring/segment_table.h"
#include "core/error.h"

namespace brevdue::backends {

enum class Purpose : unsigned { upkeep = 0, settlement = 1, content = 2 };  // segments to be left

class SegmentPool {
 public:
  struct Limits {
    std::uint32_t segment_size;
    unsigned spares_wanted;  // at least 2
    unsigned spares_max;     // more are given back to the file system
    std::uint64_t reserve;   // bytes of the file system that are never touched
  };
  // What the caretaker is to do next, in this order.
  struct Chores {
    bool stop = false;
    std::vector<std::uint32_t> free_generations;
    std::vector<std::uint32_t> unwanted;  // blank segments to be removed
    bool look = false;                    // how much space the file system has
    bool create = false;
    bool checkpoint = false;
    bool compaction = false;
  };

  explicit SegmentPool(Limits limits) : limits_(limits) {}

  template <class Use>
  auto with_table(Use use) {
    const std::lock_guard lock(mutex_);
    return use(table_);
  }

  // Blank segments.
  void add_spare(std::uint32_t number);
  void add_unwanted(std::uint32_t number);
  bool has_spare() const;
  std::uint32_t next_number();
  void numbers_start_after(std::uint32_t number);

  // Whether `bytes` for this purpose may be written while the current segment has `remaining` left.
  bool admits(Purpose purpose, std::uint64_t bytes, std::uint32_t remaining) const;
  // A blank segment; storage_full if there is none and none can be made. While one is being made:
  // waits for it, or busy.
  enum class Patience { none, until_made };
  Result<std::uint32_t> take(Purpose purpose, Patience patience);
  // Bytes of content that fit, `remaining` of them in the current segment.
  std::uint64_t room(std::uint32_t remaining) const;
  // From the file system; decides how many more segments it would hold.
  void set_free_space(std::uint64_t bytes);

  // The caretaker: waits until there is something to do.
  Chores wait_for_chores();
  // It does something, or has something to do, after which there may be more segments; wakes it.
  bool upkeep_may_make_room();
  // How often it has been through with what there was to do.
  std::uint64_t rounds() const;
  bool needs_spare() const;
  void segment_created(std::uint32_t number);
  void creation_failed();
  // Segments were given back: a failed creation is worth another attempt.
  void space_was_freed();
  // The segment of this generation is durably blank or removed.
  void retired(std::uint32_t generation, std::optional<std::uint32_t> blank_number);
  void checkpoint_done(std::uint32_t through);
  void checkpoint_failed();
  // Generations to be emptied by moving what lives in them.
  std::vector<std::uint32_t> sparse() const;
  // One that began when `newest_closed` was the newest closed generation has ended. When it moved
  // nothing, the next one waits for a younger one.
  void compaction_ended(std::uint32_t newest_closed, std::size_t moved);
  // Upkeep records went into this generation.
  void note_upkeep(std::uint32_t generation);
  // Something changed that may give the caretaker work.
  void nudge();

  void give_up();
  bool failed() const;
  void stop();

 private:
  // Segments that are there or will be without anything more being discarded.
  std::uint64_t left() const;
  bool coming() const;  // the caretaker is about to add one
  bool wants_spare() const;
  bool tight() const;
  bool checkpoint_due() const;
  bool compaction_due() const;
  Chores chores();

  const Limits limits_;
  mutable std::mutex mutex_;
  std::condition_variable caretaker_;
  std::condition_variable writer_;
  SegmentTable table_;
  std::vector<std::uint32_t> spares_;
  std::vector<std::uint32_t> unwanted_;
  std::uint32_t last_number_ = 0;
  std::uint64_t creatable_ = 0;  // segments that the file system would still hold
  bool below_reserve_ = false;
  bool creation_failed_ = false;
  bool checkpoint_failed_ = false;
  bool caretaker_is_busy_ = false;
  std::uint64_t rounds_ = 0;
  std::uint32_t last_upkeep_ = 0;
  std::uint32_t compacted_at_ = 0;
  bool failed_ = false;
  bool stop_ = false;
};

}  // namespace brevdue::backends
