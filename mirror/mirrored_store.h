// A store made of two of one backend on two disks. What it reports durable is durable on both.
//
// Each batch goes to both sides at once; its results are given when both have answered. A side that
// fails, or that is behind the other for longer than it may be, is left: first the other side notes
// durably that its partner is stale, then what waits is answered by the other alone. From then on
// the side that was left is not asked any more; what is in flight there may end whenever it does.
// If the other one fails as well, or cannot note it, the whole store has failed.
//
// A side may join again, empty: what is new is written to both from then on, what it lacks is
// copied from the other at a bounded rate, and once it has everything both note that it counts
// again. Until then it is not read, cannot stand alone, and costs nothing but itself when it fails.
// The same copying gives a side what a crash has left on the other alone, and a record that is
// damaged on one side is written again from the other.
//
// Content that one side has no room for is refused and taken back from the other. Reads take turns
// and fall back to the other side. Recovery merges what the two found: a message that only one has
// is kept, of two states the more advanced one; so a crash between the two costs duplicates, never
// mail.
//
// Threads as of queue::Store; sides are not attended.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "core/error.h"
#include "queue/staged_copy.h"
#include "queue/store.h"

namespace brevdue::mirror {

struct MirrorSide {
  std::string name;                     // for messages
  std::unique_ptr<queue::Store> store;  // null: absent or stale, so that it takes no part
  // Notes durably on this side that the other one is stale. From a thread of the mirror, one call
  // at a time. An error means that it is not certain.
  std::function<Result<void>()> note_partner_stale;

  // Of a side whose store is empty and is to get everything from the other, which has noted that
  // this one is stale:
  bool is_behind = false;
  // Copies what lies beside the stores. From a thread of the mirror, while mail goes on.
  std::function<Result<void>(const queue::CopyPace&)> copy_beside{};
  // Notes durably that each side has everything, on this side first. As note_partner_stale.
  std::function<Result<void>()> note_whole{};
};

enum class Notice : std::uint8_t {
  trouble,
  news,  // something is well again, or on its way
};

struct MirrorOptions {
  // How much longer than the other a side may take for a batch before it is left.
  std::chrono::milliseconds stall_max{10'000};
  // Bytes a second that are copied to a side that lacks them; 0: as fast as it goes.
  std::uint64_t copy_rate = 0;
  // What an operator must know, one line each. Any thread; must not call the store.
  std::function<void(Notice, const std::string&)> notice;
  // Called within start(), when a side may join.
  std::function<void()> started;
};

enum class SideState : std::uint8_t {
  current,  // has everything
  behind,   // everything is being copied to it
  left,     // takes no part
};

// What has been copied since the side joined.
struct CopyProgress {
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;
  std::uint64_t messages_left = 0;  // an estimate
  std::chrono::steady_clock::time_point since;
};

class MirroredStore final : public queue::Store {
 public:
  MirroredStore(std::array<MirrorSide, 2> sides, MirrorOptions options);
  ~MirroredStore() override;
  MirroredStore(const MirroredStore&) = delete;
  MirroredStore& operator=(const MirroredStore&) = delete;

  // A side that cannot be started is left, if the other one can.
  Result<void> start() override;
  Result<void> recover(queue::RecoverySink& sink) override;
  void submit(queue::Batch batch, queue::BatchDone done) override;
  unsigned depth() const override;
  Result<SharedBytes> open(mail::QueueId id, const queue::Location& location) override;
  Result<queue::StoredMessage> look_up(mail::QueueId id, const queue::Location& location) override;
  Result<queue::Verified> verify(mail::QueueId id, const queue::Location& location) override;
  std::uint64_t room() const override;

  // What follows may be called from any thread, also while and after the store goes.
  class State;
  class Handle {
   public:
    Handle() = default;
    explicit Handle(std::weak_ptr<State> state) : state_(std::move(state)) {}
    SideState state_of(std::size_t side) const;
    std::string why_left(std::size_t side) const;
    bool is_gone() const { return state_.expired(); }
    // Of a side that is behind.
    CopyProgress progress_of(std::size_t side) const;
    // Waits until nothing is known that one side lacks and the other has; false if that takes
    // longer.
    bool wait_until_copied(std::chrono::milliseconds at_most) const;
    // Returns when the side has been left; an error if nothing is acknowledged any more.
    Result<void> leave(std::size_t side, const std::string& why) const;
    // It was left, and nothing of it is in flight any more.
    bool may_join(std::size_t side) const;
    // Gives such a side a store that is empty and has been started.
    Result<void> join(std::size_t side, MirrorSide part) const;

   private:
    std::weak_ptr<State> state_;
  };
  Handle handle() const;
  bool is_current(std::size_t side) const;  // and the store has not failed

 private:
  friend class MergedRecovery;
  friend class Copier;

  template <class Found, class Read, class IsWhole>
  Result<Found> read(mail::QueueId id, const queue::Location& location, Read read,
                     IsWhole is_whole);

  // Callbacks of a side that hangs may come after all else is gone.
  std::shared_ptr<State> state_;
};

}  // namespace brevdue::mirror
