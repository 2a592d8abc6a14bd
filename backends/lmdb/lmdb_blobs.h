// Blobs in the environment: adding one, how much of one is alive, removing one. Each call is part
// of a write transaction, which must be aborted after an error. Writer thread.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "backends/lmdb/lmdb_content.h"
#include "backends/lmdb/lmdb_environment.h"

namespace brevdue::backends {

// Puts contents into as few blobs as they fit in, behind all others.
class BlobWriter {
 public:
  BlobWriter(const LmdbEnvironment& environment, MDB_txn* transaction)
      : environment_(environment), transaction_(transaction) {}

  // The content must stay where it is until finish().
  Result<void> add(mail::QueueId id, std::string_view content);
  // The places of all, in the order of add().
  Result<std::vector<ContentPlace>> finish();

 private:
  Result<void> write();

  const LmdbEnvironment& environment_;
  MDB_txn* transaction_;
  BlobLayout layout_;
  std::vector<ContentPlace> places_;
};

// Nothing if the blob is missing or what tells is damaged.
Result<std::optional<BlobLife>> life_of(const LmdbEnvironment& environment, MDB_txn* transaction,
                                        BlobNumber blob);

Result<void> remove_blob(const LmdbEnvironment& environment, MDB_txn* transaction, BlobNumber blob);

}  // namespace brevdue::backends
