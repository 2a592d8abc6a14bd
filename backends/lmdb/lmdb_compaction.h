// Moves what lives in sparse blobs together, so that a message that is deferred for days does not
// keep the pages of all that came in with it. One step is one write transaction of bounded size; it
// frees at least as much as it takes. Writer thread.
#pragma once

#include <cstdint>
#include <vector>

#include "backends/lmdb/lmdb_content.h"
#include "backends/lmdb/lmdb_environment.h"

namespace brevdue::backends {

class LmdbCompaction {
 public:
  explicit LmdbCompaction(LmdbEnvironment& environment) : environment_(environment) {}

  // Sums up the dead contents of all blobs; once, after opening.
  Result<void> count();
  // A batch was committed that changed their sum.
  void changed(std::int64_t dead_change) { dead_ += dead_change; }

  // More than half of the blobs' bytes, and more than `floor` of them, are dead, and the pages
  // that a step frees could be used again.
  bool due(std::uint64_t floor) const;
  // storage_full: no room for it, try again when there is more. Any other error: the environment
  // must be given up.
  Result<void> step();

  std::uint64_t dead() const { return dead_ > 0 ? static_cast<std::uint64_t>(dead_) : 0; }

 private:
  struct Survivor {
    mail::QueueId id;
    std::string_view content;  // in the map
  };
  struct Sparse {
    BlobNumber blob;
    std::uint64_t dead;
  };
  struct Budget {
    std::size_t bytes;
    std::size_t messages;
  };

  Result<Budget> admitted_budget();
  Result<std::vector<Sparse>> choose(MDB_txn* transaction, std::vector<Survivor>& survivors,
                                     Budget budget);
  Result<bool> survivors_of(MDB_txn* transaction, BlobNumber blob,
                            std::vector<Survivor>& survivors) const;
  Result<void> move(MDB_txn* transaction, const std::vector<Survivor>& survivors) const;

  LmdbEnvironment& environment_;
  std::int64_t dead_ = 0;
  BlobNumber position_ = 0;         // where the next step begins to look
  bool moved_ = false;              // something in this round through the sparse blobs
  std::int64_t fruitless_at_ = -1;  // dead_ when a whole round found nothing to move
};

}  // namespace brevdue::backends
