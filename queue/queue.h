// Queue: the durable queue as the rest of Brevdue sees it. It owns the store, the committer, the
// one index of what is queued, the staging of large content, and caches of what was just used.
//
// A message is staged (being received, invisible) → queued (durable, visible) → per recipient
// relayed, deferred or failed → gone. queue/README.md has the table of transitions and what a crash
// in each leaves behind. The queue decides nothing about delivery: a QueueObserver (the scheduler's
// owner) is told what is queued and what is gone.
//
// Everything here is called, and calls back, in the loop's thread. enqueue, settle and discard are
// answered after the change is durable, with an error otherwise:
//   storage_full   no room for the content; nothing was kept (enqueue only)
//   io_failure     the store failed with it in flight; if it did reach the disk, it is queued once
//                  the store is back (enqueue only)
//   unavailable    the store failed; the queue is being opened anew (enqueue only)
//   already_exists the id is known; nothing was changed
// A staged file whose enqueue is refused is removed. settle and discard are never refused: what
// cannot be made durable now is submitted again once the store is back, and answered then.
//
// Envelopes and states of messages that nobody works with stay on the disk, but for those that the
// cache has room for. load() brings one into memory, where it stays as long as somebody holds it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <variant>

#include "core/clock.h"
#include "core/file_system.h"
#include "core/log.h"
#include "mail/queue_id_map.h"
#include "queue/committer.h"
#include "queue/content_cache.h"
#include "queue/event_loop.h"
#include "queue/message_cache.h"
#include "queue/message_index.h"
#include "queue/queue_observer.h"
#include "queue/queued_message.h"
#include "queue/staging.h"
#include "queue/store.h"
#include "queue/worker.h"

namespace brevdue::queue {

struct QueueOptions {
  CommitterOptions committer;
  std::size_t content_cache_bytes = 64u << 20;
  std::size_t message_cache_bytes = 32u << 20;
  std::shared_ptr<SpoolSides> sides;  // where staged content lies; never null
  std::chrono::seconds reopen_delay_max{10};
};

struct NewMessage {
  mail::QueueId id;
  SharedBytes envelope;
  SharedBytes content;  // empty if staged
  std::uint64_t size = 0;
  std::uint32_t recipient_count = 0;
  bool staged = false;
};

// Content for a delivery: bytes, or a descriptor of a file that begins with it.
struct Content {
  SharedBytes bytes;
  UniqueFd file;
};

class Queue {
 public:
  using StoreFactory = std::function<Result<std::unique_ptr<Store>>()>;
  using Done = std::move_only_function<void(Result<void>)>;
  using ContentDone = std::move_only_function<void(Result<Content>)>;
  using LoadDone = std::move_only_function<void(Result<MessagePtr>)>;
  using LookDone = std::move_only_function<void(std::vector<Result<MessagePtr>>)>;
  using VerifyDone = std::move_only_function<void(std::vector<Result<Verified>>)>;

  Queue(QueueOptions options, StoreFactory factory, FileSystem& files, const Clock& clock,
        EventLoop& loop, const Log& log, QueueObserver& observer);
  ~Queue();
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  // Opens the store and begins to recover in a thread of its own. Enqueueing may begin at once.
  Result<void> start();

  void enqueue(NewMessage message, Done done);
  // Writes a delta; sequence is filled in here. `notices` are DSNs that become durable no later.
  // The message should be held (load()); if it is not in memory it is loaded first, and the
  // settlement refused if that fails.
  void settle(mail::QueueId id, mail::Settlement delta, std::vector<NewMessage> notices, Done done);
  void discard(mail::QueueId id, std::vector<NewMessage> notices, Done done);
  void read(mail::QueueId id, ContentDone done);

  // Envelope and state; at once if it is in memory. While it is held the state is what was asked
  // for last, durable or not. not_found if it is not queued, corrupt if it cannot be read any more.
  void load(mail::QueueId id, LoadDone done);
  // The same for many, in their order, to be looked at and not to be settled: what is not in memory
  // is read, as it is on the disk, and not kept.
  void look_at(std::vector<mail::QueueId> ids, LookDone done);

  // Checks what the store has of each, past every cache (Store::verify), in their order; not_found
  // for those that are gone when it has ended. A staged content is not looked at.
  void verify(std::vector<mail::QueueId> ids, VerifyDone done);

  bool contains(mail::QueueId id) const { return index_.contains(id); }
  // Queued, and no discard of it is on its way to the disk.
  bool stays(mail::QueueId id) const;
  template <class Visit>  // visit(id)
  void for_each(Visit visit) const {
    index_.for_each([&](mail::QueueId id, const IndexEntry&) { visit(id); });
  }
  std::size_t size() const { return index_.size(); }
  // Queued and, as far as is known, not yet all recovered.
  bool recovering() const { return recovering_; }
  bool is_available() const { return committer_ != nullptr && !failed_; }
  std::uint64_t room() const { return is_available() ? store_->room() : 0; }
  // Nothing is on its way to the disk.
  bool idle() const { return committer_ == nullptr || committer_->idle(); }
  Staging& staging() { return staging_; }
  CommitterStatistics statistics() const;

 private:
  class Collector;
  Result<void> open_store();
  void recover_in_background();
  void recovery_ended(std::shared_ptr<Collector> found, Result<void> result);
  void adopt(RecoveredMessage message);
  void close_store();
  void reconcile(std::shared_ptr<Collector> found);
  void store_failed(const Error& error);
  void reopen_later();
  void reopen_after(std::chrono::milliseconds delay);
  void reopened();
  void reopen();
  struct Discarding {};
  using Change = std::variant<mail::Settlement, Discarding>;
  struct Order {
    mail::QueueId id;
    MessagePtr held;  // of a settlement: stays in memory until that is durable
    Change change;
    std::optional<mail::Settlement> whole;  // Settle::whole
    std::vector<NewMessage> notices;
    Done done;
    std::uint64_t number;  // counts what was asked for
  };
  void commit(Order order);
  void commit_notices_first(Order order);
  void notices_are_durable(Order order);
  void committed(Order order, BatchResults results);
  void take_in(NewMessage& message, Location location);
  void forget(mail::QueueId id);
  void change(QueuedMessage& message, mail::Settlement delta, std::vector<NewMessage> notices,
              Done done);
  void loaded(mail::QueueId id, Result<std::shared_ptr<QueuedMessage>> message);

  QueueOptions options_;
  StoreFactory factory_;
  const Clock& clock_;
  EventLoop& loop_;
  const Log& log_;
  QueueObserver& observer_;
  MessageIndex index_;
  MessageCache messages_;
  ContentCache cache_;
  Staging staging_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Committer> committer_;
  Worker reader_;
  std::thread recovery_;
  std::shared_ptr<Collector> collector_;  // of the last recovery
  unsigned recovery_round_ = 0;
  bool recovering_ = false;
  bool failed_ = false;
  bool ever_recovered_ = false;
  std::chrono::milliseconds reopen_delay_{500};
  EventLoop::TimerId reopen_timer_ = 0;
  std::map<std::uint64_t, Order> parked_;  // wait for the store to come back, in their order
  std::uint64_t orders_ = 0;
  // Messages with an order that waits for room for its DSN, and what was asked for them since.
  std::unordered_map<mail::QueueId, std::vector<Order>> behind_;
  mail::QueueIdSet enqueueing_;
  std::unordered_map<mail::QueueId, std::vector<LoadDone>> loading_;
  std::vector<mail::QueueId> doubtful_;  // staged; their record may have reached the disk
  mail::QueueIdSet unreadable_;          // in the store, not in the index
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace brevdue::queue
