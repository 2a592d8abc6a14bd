// An LMDB store on a temporary directory, and what was acknowledged by it.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "backends/lmdb/lmdb_store.h"
#include "tests/conformance/store_conformance.h"
#include "tests/support/temporary_directory.h"

namespace brevdue::tests {

class StoreOnDisk {
 public:
  StoreOnDisk() : StoreOnDisk(TemporaryDirectory::default_parent()) {}
  explicit StoreOnDisk(const std::string& parent);

  // Small: a map of 64 MiB that grows by 64 KiB.
  backends::LmdbStoreOptions options() const;
  std::string data_file() const { return directory_.path_of("lmdb/data.mdb"); }
  std::string quarantine() const { return directory_.path_of("quarantine"); }
  int directory_fd() const { return directory_.fd(); }

 private:
  TemporaryDirectory directory_;
};

// Messages whose Enqueue was reported durable, and whose Discard was never asked for.
using Acknowledged = std::map<mail::QueueId, Sample>;

// A new store on the disk reports each of them, whole.
void expect_recovered(const backends::LmdbStoreOptions& options, const Acknowledged& acknowledged);

}  // namespace brevdue::tests
