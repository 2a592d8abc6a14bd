#include "backends/iouring/log_store.h"
#include "tests/conformance/store_conformance.h"
#include "tests/support/attended_store.h"

namespace brevdue::tests {

enum class Way { by_itself, attended, ordinary_calls };

// Segments that hold the largest message of the suite and little more, so that they are used up and
// used again.
static StoreFactory log_store(std::string name, Way way) {
  const auto make = [way](const StoreDirectories& directories,
                          const StoreSetup& setup) -> std::unique_ptr<queue::Store> {
    backends::LogStoreOptions options;
    options.path = directories.backend;
    options.quarantine = directories.quarantine;
    options.segment_size = 2u << 20;
    options.read_only = setup.read_only;
    options.force_ordinary_calls = way == Way::ordinary_calls;
    if (setup.full) options.reserve = UINT64_MAX;
    auto store = std::make_unique<backends::LogStore>(std::move(options));
    if (way != Way::attended || setup.read_only) return store;
    return std::make_unique<AttendedStore>(std::move(store));
  };
  return {.name = std::move(name),
          .uses_file_system = false,
          .has_read_only = true,
          .fresh_disk = [make] { return std::make_unique<DirectoryDisk>(make); }};
}

INSTANTIATE_TEST_SUITE_P(Log, StoreConformance,
                         testing::Values(log_store("LogStore", Way::by_itself),
                                         log_store("LogStoreAttended", Way::attended),
                                         log_store("LogStoreOrdinaryCalls", Way::ordinary_calls)),
                         name_of_instance);

}  // namespace brevdue::tests
