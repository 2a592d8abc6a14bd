// A store made of two of one backend on two disks. What it reports durable is durable on both.
//
// Each batch goes to both sides at once; its results are given when both have answered. A side that
// fails, or that is behind the other for longer than it may be, is left: first the other side notes
// durably that its partner is stale, then what waits is answered by the other alone. From then on
// the side that was left is not asked any more; what is in flight there may end whenever it does.
// If the other one fails as well, or cannot note it, the whole store has failed.
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
#include <functional>
#include <memory>
#include <string>

#include "core/error.h"
#include "queue/store.h"

namespace brevdue::mirror {

struct MirrorSide {
  std::string name;                     // for messages
  std::unique_ptr<queue::Store> store;  // null: absent or stale, so that it takes no part
  // Notes durably on this side that the other one is stale. Called once at most, from a thread of
  // the mirror. An error means that it is not certain.
  std::function<Result<void>()> note_partner_stale;
};

struct MirrorOptions {
  // How much longer than the other a side may take for a batch before it is left.
  std::chrono::milliseconds stall_max{10'000};
  // What an operator must know, one line each. Any thread; must not call the store.
  std::function<void(const std::string&)> notice;
};

class MirroredStore final : public queue::Store {
 public:
  MirroredStore(std::array<MirrorSide, 2> sides, MirrorOptions options);
  ~MirroredStore() override;
  MirroredStore(const MirroredStore&) = delete;
  MirroredStore& operator=(const MirroredStore&) = delete;

  Result<void> start() override;
  Result<void> recover(queue::RecoverySink& sink) override;
  void submit(queue::Batch batch, queue::BatchDone done) override;
  unsigned depth() const override;
  Result<SharedBytes> open(mail::QueueId id, const queue::Location& location) override;
  Result<queue::StoredMessage> look_up(mail::QueueId id, const queue::Location& location) override;
  std::uint64_t room() const override;

  // Whether this side takes part.
  bool is_current(std::size_t side) const;

 private:
  class State;
  friend class MergedRecovery;

  template <class Found, class Read>
  Result<Found> read(mail::QueueId id, const queue::Location& location, Read read);

  // Callbacks of a side that hangs may come after all else is gone.
  std::shared_ptr<State> state_;
};

}  // namespace brevdue::mirror
