// The two sides of a MirroredStore and what is on its way to them; outlives the store where a side
// hangs. Thread-safe: answers come from threads of the sides, and a thread of its own sees to it
// that a side is left when it must be.
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

#include "mirror/location_pairs.h"
#include "mirror/mirrored_batch.h"
#include "mirror/mirrored_store.h"

namespace brevdue::mirror {

class MirroredStore::State : public std::enable_shared_from_this<State> {
 public:
  State(std::array<MirrorSide, sides> parts, MirrorOptions options);

  Result<void> start();
  void submit(queue::Batch batch, queue::BatchDone done);
  // Ends the sides that still take part, and answers what they leave behind.
  void stop();

  LocationPairs& pairs() { return pairs_; }
  const std::string& name(std::size_t side) const { return names_[side]; }
  // Nothing for a side that does not take part.
  std::shared_ptr<queue::Store> store(std::size_t side) const;
  bool is_current(std::size_t side) const;
  std::size_t next_reader();  // the sides take turns
  void notice(const std::string& text) const;

  // Between these stop() waits, once the sides have ended.
  void recovery_begins();
  void recovery_ends();
  // For recover(): calls `scan` with the side's store, which lives until it has returned; not at
  // all when the side does not take part or the store is being stopped. `scan` calls `begun` as
  // RecoverySink does.
  using Begun = std::function<void()>;
  Result<void> scan(std::size_t side,
                    const std::function<Result<void>(queue::Store&, const Begun& begun)>& scan);
  // The side could not be read: returns when it has been left, or all has failed.
  void leave_and_wait(std::size_t side, const std::string& why);

 private:
  enum class Standing : std::uint8_t { current, leaving, left };
  enum class Scan : std::uint8_t { none, entered, begun };
  using Lock = std::unique_lock<std::mutex>;

  void answered(std::size_t side, std::uint64_t number, queue::BatchResults results);
  // Finishes what can be finished, in order.
  void advance(Lock& lock);
  bool finish_first(Lock& lock);
  void begin_to_leave(std::size_t side, const std::string& why);
  void fail_everything(const std::string& why);
  std::array<bool, sides> counting() const;

  void watch();
  std::optional<std::size_t> stalled(std::chrono::steady_clock::time_point now) const;
  void leave(Lock& lock, std::size_t side);
  void bury(std::size_t side);

  const MirrorOptions options_;
  std::array<std::string, sides> names_;
  std::array<std::function<Result<void>()>, sides> note_partner_stale_;
  LocationPairs pairs_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::array<std::shared_ptr<queue::Store>, sides> stores_;
  std::array<Standing, sides> standing_{};
  std::array<std::string, sides> why_;
  std::array<Scan, sides> scanning_{};
  std::deque<MirroredBatch> waiting_;
  std::uint64_t first_number_ = 0;  // of waiting_
  MirroredBatch::TakenBack taken_back_;
  std::size_t reader_ = 0;
  bool advancing_ = false;
  bool recovering_ = false;
  bool failed_ = false;
  bool failure_told_ = false;
  bool ending_ = false;    // somebody waits for what is on its way
  bool stopping_ = false;  // the watcher ends, no scan begins
  std::thread watcher_;
};

}  // namespace brevdue::mirror
