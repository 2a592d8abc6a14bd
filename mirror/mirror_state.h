// The two sides of a MirroredStore and what is on its way to them; outlives the store where a side
// hangs. Thread-safe: answers come from threads of the sides; a thread of its own, the watcher,
// sees to it that a side is left when it must be and counts again when it has everything; another
// one copies what a side lacks (copier.h).
//
// mirror_state.cc has the batches and the watcher, copying_state.cc what the copier needs.
#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "mirror/copy_ledger.h"
#include "mirror/location_pairs.h"
#include "mirror/mirrored_batch.h"
#include "mirror/mirrored_store.h"

namespace brevdue::mirror {

// Something that `to` lacks and the other side has.
struct Lack {
  enum class What : std::uint8_t {
    message,
    record,  // it is damaged there
    state,   // it is older there
  };
  mail::QueueId id;
  queue::Location location;  // the mirror's
  std::size_t to = 0;
  What what = What::message;
};

class MirroredStore::State : public std::enable_shared_from_this<State> {
 public:
  State(std::array<MirrorSide, sides> parts, MirrorOptions options);

  Result<void> start();
  void submit(queue::Batch batch, queue::BatchDone done);
  // Ends the sides that still take part, and answers what they leave behind.
  void stop();

  LocationPairs& pairs() { return pairs_; }
  std::string name(std::size_t side) const;
  std::string why_left(std::size_t side) const;
  // Nothing for a side that is not to be read. Who reads holds reading(): one thread at a time.
  std::shared_ptr<queue::Store> store(std::size_t side) const;
  std::mutex& reading(std::size_t side) { return reading_[side]; }
  // The least that the sides that take part want in flight.
  unsigned depth() const;
  bool is_current(std::size_t side) const;
  SideState state_of(std::size_t side) const;
  unsigned generation(std::size_t side) const;  // counts its stores
  std::size_t next_reader();                    // the sides take turns
  void notice(const std::string& text, Notice kind = Notice::trouble) const;

  // Between these stop() waits, once the sides have ended.
  void recovery_begins();
  void recovery_ends();
  // For recover(): calls `scan` with the side's store, which lives until it has returned; not at
  // all when the side does not take part or the store is being stopped. `scan` calls `begun` as
  // RecoverySink does.
  using Begun = std::function<void()>;
  Result<void> scan(std::size_t side,
                    const std::function<Result<void>(queue::Store&, const Begun& begun)>& scan);
  // Returns when the side has been left, or all has failed.
  Result<void> leave_and_wait(std::size_t side, const std::string& why);
  Result<void> join(std::size_t side, MirrorSide part);
  // It was left, and nothing of it is in flight any more.
  bool may_join(std::size_t side) const;

  // The copier's.
  void lacks(const Lack& lack);
  // Waits until there may be something to copy, after recovery; false when the store is stopped.
  bool wait_for_lacks();
  bool wait_until_copied(std::chrono::milliseconds at_most);
  // Some of what there is to copy; the rows of the table from `cursor` on. Nothing may mean that
  // there is more: see pairs().is_end().
  std::vector<Lack> find_lacks(std::uint32_t& cursor, std::size_t count);
  // Waits until all that was asked before has been answered. False when the store is stopped.
  bool wait_for_answers();
  // From now on changes of them are noticed, see CopyLedger.
  void watch(const std::vector<Lack>& lacks);
  // Those that nothing was asked of since are held, the others let go.
  void hold(std::vector<Lack>& lacks);
  void let_go(mail::QueueId id);
  // Writes to one side and waits; nothing if it was left meanwhile.
  std::optional<queue::BatchResults> write(std::size_t side, queue::Batch batch);
  // What was kept for a message that is held, with `at` as its place; true and the hold is over if
  // there is none.
  struct Held {
    mail::QueueId id;
    queue::Location location;
    std::optional<queue::Location> at;  // on the side; nothing if it was discarded there
  };
  std::vector<CopyLedger::Kept> take_kept(std::size_t side, const std::vector<Held>& held);
  void kept_is_done(std::size_t side, const std::vector<CopyLedger::Kept>& kept);
  void copied(std::size_t side, std::uint64_t messages, std::uint64_t bytes);
  CopyProgress progress_of(std::size_t side) const;
  // Sleeps; false, and at once, when the store is stopped.
  bool pause(std::chrono::nanoseconds time);
  std::optional<std::size_t> side_behind() const;
  Result<void> copy_beside(std::size_t side, const queue::CopyPace& pace);
  // Everything has been copied: returns when the side counts, or was left.
  void complete(std::size_t side);
  std::uint64_t copy_rate() const { return options_.copy_rate; }

 private:
  enum class Standing : std::uint8_t { current, behind, leaving, left };
  enum class Scan : std::uint8_t { none, entered, begun };
  using Lock = std::unique_lock<std::mutex>;

  struct Side {
    std::string name;
    std::shared_ptr<queue::Store> store;
    std::function<Result<void>()> note_partner_stale;
    std::function<Result<void>(const queue::CopyPace&)> copy_beside;
    std::function<Result<void>()> note_whole;
    Standing standing = Standing::current;
    std::string why;  // it is left
    Scan scanning = Scan::none;
    bool has_ended = true;    // the store that it had when it was left
    unsigned generation = 0;  // counts its stores
    CopyProgress progress;
    bool complete = false;  // all has been copied
  };

  bool takes_part(std::size_t side) const;
  void answered(std::size_t side, unsigned generation, std::uint64_t number,
                queue::BatchResults results);
  // Finishes what can be finished, in order.
  void advance(Lock& lock);
  bool finish_first(Lock& lock);
  void begin_to_leave(std::size_t side, const std::string& why);
  void fail_everything(const std::string& why);
  std::array<bool, sides> counting(const MirroredBatch& batch) const;

  static void take_in(Side& side, MirrorSide part);
  Result<void> start_sides();
  void watch();
  std::optional<std::size_t> stalled(std::chrono::steady_clock::time_point now) const;
  void leave(Lock& lock, std::size_t side);
  void count_again(Lock& lock, std::size_t side);
  void bury(std::size_t side);

  const MirrorOptions options_;
  LocationPairs pairs_;
  std::mutex submitting_;  // one thread at a time gives a side work
  std::array<std::mutex, sides> reading_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::array<Side, sides> sides_;
  std::deque<MirroredBatch> waiting_;
  std::uint64_t first_number_ = 0;  // of waiting_
  MirroredBatch::TakenBack taken_back_;
  CopyLedger copies_;
  std::deque<Lack> lacks_;
  std::size_t reader_ = 0;
  bool look_for_lacks_ = false;  // rows may have one side only
  bool copying_ = false;         // the copier is at work
  bool recovered_ = false;
  bool advancing_ = false;
  bool recovering_ = false;
  bool failed_ = false;
  bool failure_told_ = false;
  unsigned awaited_ = 0;   // so many wait for what is on its way
  bool stopping_ = false;  // the threads end, no scan begins
  std::thread watcher_;
  std::thread copier_;
};

}  // namespace brevdue::mirror
