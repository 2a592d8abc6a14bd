#include "backends/iouring/log_store.h"
#include "tests/conformance/store_conformance.h"

namespace brevdue::tests {

// Segments that hold the largest message of the suite and little more, so that they are used up and
// used again.
static StoreFactory log_store(std::string name, bool ordinary_calls) {
  const auto make = [ordinary_calls](const StoreDirectories& directories, const StoreSetup& setup) {
    backends::LogStoreOptions options;
    options.path = directories.backend;
    options.quarantine = directories.quarantine;
    options.segment_size = 2u << 20;
    options.read_only = setup.read_only;
    options.force_ordinary_calls = ordinary_calls;
    if (setup.full) options.reserve = UINT64_MAX;
    return std::make_unique<backends::LogStore>(std::move(options));
  };
  return {.name = std::move(name),
          .uses_file_system = false,
          .has_read_only = true,
          .fresh_disk = [make] { return std::make_unique<DirectoryDisk>(make); }};
}

INSTANTIATE_TEST_SUITE_P(Log, StoreConformance,
                         testing::Values(log_store("LogStore", false),
                                         log_store("LogStoreOrdinaryCalls", true)),
                         name_of_instance);

}  // namespace brevdue::tests
