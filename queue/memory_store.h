// A store that keeps nothing: the model that every backend is compared with, and the reference for
// who writes one. Its "disk" is a MemoryDisk that outlives it, so that tests can destroy the store
// and recover. Batches are committed in submit() itself, in the caller's thread.
#pragma once

#include <map>
#include <mutex>

#include "queue/store.h"

namespace brevdue::queue {

// What survives the store. Guarded by its mutex; tests may edit it between two stores.
struct MemoryDisk {
  struct Message {
    SharedBytes envelope;
    SharedBytes content;
    mail::DeliveryState state;
  };
  std::mutex mutex;
  std::map<mail::QueueId, Message> messages;
  std::uint64_t room = UINT64_MAX;  // bytes of content that still fit
};

class MemoryStore final : public Store {
 public:
  explicit MemoryStore(MemoryDisk& disk) : disk_(disk) {}

  Result<void> start() override;
  Result<void> recover(RecoverySink& sink) override;
  void submit(Batch batch, BatchDone done) override;
  unsigned depth() const override { return 1; }
  Result<SharedBytes> open(mail::QueueId id, const Location& location) override;
  Result<StoredMessage> look_up(mail::QueueId id, const Location& location) override;
  std::uint64_t room() const override;

 private:
  Result<const MemoryDisk::Message*> find(mail::QueueId id, const Location& location) const;
  Result<Location> apply(const Enqueue& enqueue);
  Result<Location> apply(const Settle& settle);
  Result<Location> apply(const Discard& discard);

  MemoryDisk& disk_;
  std::vector<RecoveredMessage> found_;
};

}  // namespace brevdue::queue
