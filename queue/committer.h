// Group commit: joins waiting mutations into batches for a Store, the only asynchrony in the queue.
//
// While one batch syncs, what arrives gathers into the next. When the store is free again, the next
// batch waits while those who were just answered are likely to come back: at most twice as long as
// that took the last time, if it was less than a commit, else half a commit; never longer than the
// last commit, never once as many writers are in as are known (the ones just answered and the ones
// already waiting), and not at all where a commit is faster than a timer is worth. With one writer
// it waits for nothing. Without that rule the first client to return would start a batch of one,
// and a slow disk would do half of what it could. A batch without an Enqueue waits up to
// `lone_delay` for company, and until those who are coming back are in: nobody stands in line for
// it.
//
// Where the store wants several in flight, one goes beside others only when it is full or holds the
// share of the known writers that falls to it, and that is no small batch; so the writers part into
// groups, each of which gathers while the others sync: two, or as many as may be in flight where
// there are enough writers for large ones.
//
// Everything here runs in the loop's thread; `done` is called there too, once for each group, after
// the batch that held it. The committer must be destroyed before the store; groups not yet answered
// then are dropped unanswered, which is why the queue keeps its own account of them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/clock.h"
#include "queue/event_loop.h"
#include "queue/store.h"

namespace brevdue::queue {

struct CommitterOptions {
  std::size_t batch_bytes_max =
      1000 * 1024;                     // stays under the mebibyte a device takes in one request
  std::size_t batch_count_max = 1024;  // mutations
  std::chrono::microseconds lone_delay{10'000};
  std::chrono::microseconds gather_min{400};  // a shorter wait than this is not worth a timer
  std::size_t share_min = 32;     // enqueues; a smaller batch does not go beside another
  std::size_t share_ample = 128;  // enqueues; from so many on there may be more than two
};

// Of batches that have been answered.
struct CommitterStatistics {
  std::uint64_t batches = 0;
  std::uint64_t mutations = 0;
  std::uint64_t enqueued = 0;
  std::chrono::nanoseconds last_commit{0};
};

class Committer {
 public:
  Committer(Store& store, const Clock& clock, EventLoop& loop, CommitterOptions options);
  ~Committer();
  Committer(const Committer&) = delete;
  Committer& operator=(const Committer&) = delete;

  // Mutations that must be in one batch; usually one.
  void submit(Batch group, BatchDone done);

  const CommitterStatistics& statistics() const { return statistics_; }
  bool idle() const { return waiting_.empty() && in_flight_ == 0; }

 private:
  struct Group {
    Batch mutations;
    BatchDone done;
    std::size_t bytes;
    std::size_t enqueues;
  };
  struct Flight {
    std::vector<std::pair<std::size_t, BatchDone>> groups;  // size, done
    std::size_t enqueues = 0;
    SteadyTime started;
  };

  void consider();
  bool is_full() const;
  bool has_share(unsigned depth) const;
  SteadyTime due(SteadyTime now) const;
  std::chrono::nanoseconds patience() const;
  void note_arrival(std::size_t enqueues);
  void launch(SteadyTime now);
  void landed(Flight flight, BatchResults results);
  void arm(std::chrono::nanoseconds delay);

  Store& store_;
  const Clock& clock_;
  EventLoop& loop_;
  CommitterOptions options_;
  CommitterStatistics statistics_;
  std::vector<Group> waiting_;
  std::size_t waiting_bytes_ = 0;
  std::size_t waiting_enqueues_ = 0;
  SteadyTime first_arrival_{};
  SteadyTime last_landing_{};
  // Until seven in eight of those are back whom the last landing answered, and what that took the
  // last time, if it came to that.
  std::size_t coming_back_ = 0;
  std::optional<std::chrono::nanoseconds> return_time_;
  std::size_t expected_enqueues_ = 0;
  std::size_t known_enqueues_ = 0;  // expected and in flight, when the last one landed
  std::size_t enqueues_in_flight_ = 0;
  unsigned in_flight_ = 0;
  bool scheduled_ = false;
  EventLoop::TimerId timer_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace brevdue::queue
