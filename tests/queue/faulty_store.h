// A MemoryStore that fails, waits and is watched as a test says.
//
// StoreControl outlives the stores made with it, as a disk does. Locations carry the number of the
// store object that gave them out, so that one used after reopening is noticed.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "queue/memory_store.h"

namespace brevdue::tests {

class FaultyStore;

class StoreControl {
 public:
  queue::MemoryDisk disk;
  unsigned depth = 1;

  // The next stores fail to start.
  unsigned failing_starts = 0;
  // Batches are kept until release(), as by a slow disk.
  bool holding = false;
  // What becomes of the next batch: all of it fails with io_failure, and the store is broken; the
  // first `reach_disk` mutations are on the disk all the same.
  bool fail_next_batch = false;
  std::size_t reach_disk = 0;
  // Recovery reports states without their replies.
  bool leave_out_replies = false;

  // The next recoveries fail; a blocked one waits for unblock_recovery() or the store's end.
  void fail_recoveries(unsigned count);
  void block_recovery();
  void unblock_recovery();
  void report_damage(queue::Quarantined damage);
  // open() and look_up() say `corrupt`.
  void damage_contents();

  // look_up() waits meanwhile.
  void block_look_ups();
  void unblock_look_ups();

  void release();      // the oldest held batch
  void release_all();  // and holds no more
  std::size_t held() const { return held_.size(); }
  bool contains(std::uint64_t id);

  // "enqueue 1", "settle 1 #2", "discard 1": one string a mutation, one vector a batch.
  std::vector<std::vector<std::string>> batches;
  std::vector<std::string> mutations() const;
  unsigned stores = 0;        // made so far
  unsigned duplicates = 0;    // ids enqueued though they were on the disk
  unsigned stale = 0;         // locations of an earlier store
  unsigned wholes = 0;        // settlements that came with a whole state
  unsigned wrong_wholes = 0;  // that were not what the disk said with the settlement applied
  std::vector<mail::QueueId> opened();
  std::vector<mail::QueueId> looked_up();

 private:
  friend class FaultyStore;
  struct Held {
    FaultyStore* store;
    queue::Batch batch;
    queue::BatchDone done;
  };
  std::deque<Held> held_;

  std::mutex mutex_;  // what other threads touch
  std::condition_variable wake_;
  unsigned failing_recoveries_ = 0;
  bool recovery_blocked_ = false;
  bool contents_damaged_ = false;
  bool look_ups_blocked_ = false;
  std::vector<queue::Quarantined> damage_;
  std::vector<mail::QueueId> opened_;
  std::vector<mail::QueueId> looked_up_;
};

class FaultyStore final : public queue::Store {
 public:
  explicit FaultyStore(StoreControl& control);
  ~FaultyStore() override;

  Result<void> start() override;
  Result<void> recover(queue::RecoverySink& sink) override;
  void submit(queue::Batch batch, queue::BatchDone done) override;
  unsigned depth() const override { return control_.depth; }
  Result<SharedBytes> open(mail::QueueId id, const queue::Location& location) override;
  Result<queue::StoredMessage> look_up(mail::QueueId id, const queue::Location& location) override;
  std::uint64_t room() const override { return memory_.room(); }

  void finish(queue::Batch batch, queue::BatchDone done);

 private:
  class Stamping;
  queue::Location stamped(queue::Location location) const;
  static queue::Location plain(queue::Location location);
  bool is_ours(const queue::Location& location) const;
  queue::Batch unstamped(queue::Batch batch);
  void check_whole(const queue::Settle& settle);
  Result<void> scan(queue::RecoverySink& sink);

  StoreControl& control_;
  queue::MemoryStore memory_;
  std::uint8_t number_;
  bool broken_ = false;
  bool ending_ = false;  // guarded by the control's mutex, as is the next
  bool recovering_ = false;
};

}  // namespace brevdue::tests
