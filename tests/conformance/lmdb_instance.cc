#include "backends/lmdb/lmdb_store.h"
#include "tests/conformance/store_conformance.h"

namespace brevdue::tests {

static StoreFactory lmdb() {
  const auto make = [](const StoreDirectories& directories, const StoreSetup& setup) {
    backends::LmdbStoreOptions options;
    options.path = directories.backend;
    options.quarantine = directories.quarantine;
    options.map_size = 1u << 30;
    options.growth_step = 4u << 20;
    options.read_only = setup.read_only;
    if (setup.full) options.reserve = UINT64_MAX;
    return std::make_unique<backends::LmdbStore>(std::move(options));
  };
  return {.name = "Lmdb", .uses_file_system = false, .has_read_only = true, .fresh_disk = [make] {
            return std::make_unique<DirectoryDisk>(make);
          }};
}

INSTANTIATE_TEST_SUITE_P(Lmdb, StoreConformance, testing::Values(lmdb()), name_of_instance);

}  // namespace brevdue::tests
