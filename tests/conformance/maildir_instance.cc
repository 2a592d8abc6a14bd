#include "backends/maildir/maildir_store.h"
#include "tests/conformance/store_conformance.h"

namespace brevdue::tests {

static StoreFactory maildir(std::string name, backends::MaildirSync sync) {
  const auto make = [sync](const StoreDirectories& directories, const StoreSetup& setup) {
    backends::MaildirStoreOptions options;
    options.path = directories.backend;
    options.quarantine = directories.quarantine;
    options.sync = sync;
    options.read_only = setup.read_only;
    if (setup.full) options.reserve = UINT64_MAX;
    return std::make_unique<backends::MaildirStore>(std::move(options), *setup.files);
  };
  return {.name = std::move(name),
          .uses_file_system = true,
          .has_read_only = true,
          .fresh_disk = [make] { return std::make_unique<DirectoryDisk>(make); }};
}

INSTANTIATE_TEST_SUITE_P(Maildir, StoreConformance,
                         testing::Values(maildir("Maildir", backends::MaildirSync::automatic),
                                         maildir("MaildirFsync", backends::MaildirSync::fsync)),
                         name_of_instance);

}  // namespace brevdue::tests
