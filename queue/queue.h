// Queue: the durable queue as the rest of Brevdue sees it. It owns the store, the committer, the
// one index of what is queued, the staging of large content and the cache of content just enqueued.
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
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <variant>

#include "core/clock.h"
#include "core/file_system.h"
#include "core/log.h"
#include "queue/committer.h"
#include "queue/content_cache.h"
#include "queue/event_loop.h"
#include "queue/staging.h"
#include "queue/store.h"
#include "queue/worker.h"

namespace brevdue::queue {

struct QueueOptions {
  CommitterOptions committer;
  std::size_t content_cache_bytes = 64u << 20;
  std::string staged_directory;
  std::chrono::seconds reopen_delay_max{10};
};

struct QueuedMessage {
  mail::QueueId id;
  Location location;
  SharedBytes envelope;  // mail::encode of it
  mail::DeliveryState state;
  std::uint64_t size = 0;
  std::uint32_t recipient_count = 0;
  std::uint32_t next_sequence = 1;
  bool staged = false;
  bool discarding = false;  // a discard is on its way to the disk
};

struct NewMessage {
  mail::QueueId id;
  SharedBytes envelope;
  SharedBytes content;  // empty if staged
  std::uint64_t size = 0;
  std::uint32_t recipient_count = 0;
  bool staged = false;
};

class QueueObserver {
 public:
  virtual ~QueueObserver() = default;
  // A message is durable: it was just enqueued, or recovery found it.
  virtual void queued(const QueuedMessage& message) = 0;
  // The store failed: nothing can be made durable until available() is called.
  virtual void unavailable() = 0;
  virtual void available() = 0;
  // Recovery of what was there at start has ended; `count` messages were found.
  virtual void recovered(std::size_t count) = 0;
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

  Queue(QueueOptions options, StoreFactory factory, FileSystem& files, const Clock& clock,
        EventLoop& loop, const Log& log, QueueObserver& observer);
  ~Queue();
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  // Opens the store and begins to recover in a thread of its own. Enqueueing may begin at once.
  Result<void> start();

  void enqueue(NewMessage message, Done done);
  // Writes a delta; sequence is filled in here. `notices` are DSNs that become durable no later.
  void settle(mail::QueueId id, mail::Settlement delta, std::vector<NewMessage> notices, Done done);
  void discard(mail::QueueId id, std::vector<NewMessage> notices, Done done);
  void read(mail::QueueId id, ContentDone done);

  const QueuedMessage* find(mail::QueueId id) const;
  void for_each(const std::function<void(const QueuedMessage&)>& visit) const;
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
  using Change = std::variant<mail::Settlement, std::monostate>;  // monostate: discard
  struct Order {
    mail::QueueId id;
    Change change;
    std::vector<NewMessage> notices;
    Done done;
    std::uint64_t number;  // counts what was asked for
  };
  void commit(Order order);
  void commit_notices_first(Order order);
  void notices_are_durable(Order order);
  void insist_on(NewMessage notice);
  void committed(Order order, BatchResults results);
  void take_in(NewMessage& message, Location location);
  void forget(mail::QueueId id);

  QueueOptions options_;
  StoreFactory factory_;
  const Clock& clock_;
  EventLoop& loop_;
  const Log& log_;
  QueueObserver& observer_;
  std::unordered_map<mail::QueueId, QueuedMessage> index_;
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
  // What waits for the store to come back, in the order it was asked for.
  std::map<std::uint64_t, Order> parked_;
  std::uint64_t orders_ = 0;
  // Messages with an order that waits for room for its DSN, and what was asked for them since.
  std::unordered_map<mail::QueueId, std::vector<Order>> behind_;
  std::unordered_set<mail::QueueId> enqueueing_;
  std::vector<mail::QueueId> doubtful_;           // staged; their record may have reached the disk
  std::unordered_set<mail::QueueId> unreadable_;  // in the store, not in the index
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace brevdue::queue
