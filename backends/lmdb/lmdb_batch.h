// Applies one batch of mutations inside one write transaction: contents into blobs, envelopes,
// settlements, and the count of what is left alive in the blobs that discarded messages lay in.
// After an error that is not a mutation's own the transaction must be aborted. Writer thread.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "backends/lmdb/lmdb_content.h"
#include "backends/lmdb/lmdb_environment.h"
#include "queue/store.h"

namespace brevdue::backends {

class LmdbBatch {
 public:
  LmdbBatch(const LmdbEnvironment& environment, MDB_txn* transaction)
      : environment_(environment), transaction_(transaction) {}

  // Without content every Enqueue gets storage_full.
  Result<queue::BatchResults> apply(const queue::Batch& batch, bool with_content);

  // By how many bytes the dead contents in blobs that live on have changed.
  std::int64_t dead_change() const { return dead_change_; }

 private:
  struct Gone {
    std::uint32_t count = 0;
    std::uint64_t bytes = 0;
  };

  Result<std::vector<std::size_t>> admitted(const queue::Batch& batch,
                                            queue::BatchResults& results) const;
  Result<std::vector<ContentPlace>> add_contents(const queue::Batch& batch,
                                                 const std::vector<std::size_t>& added);
  Result<void> add_envelopes(const queue::Batch& batch, const std::vector<std::size_t>& added,
                             const std::vector<ContentPlace>& places);
  Result<void> apply(const queue::Enqueue&) { return {}; }
  Result<void> apply(const queue::Settle& settle);
  Result<void> apply(const queue::Discard& discard);
  Result<void> remove_settlements(mail::QueueId id);
  Result<void> count_gone();
  Result<void> count_gone(BlobNumber blob, const Gone& gone);

  const LmdbEnvironment& environment_;
  MDB_txn* transaction_;
  std::map<BlobNumber, Gone> gone_;
  std::int64_t dead_change_ = 0;
};

}  // namespace brevdue::backends
