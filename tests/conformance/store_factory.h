// How a backend joins the conformance suite: one file, BACKEND_instance.cc, that ends in
//
//   INSTANTIATE_TEST_SUITE_P(Lmdb, StoreConformance, testing::Values(factory), name_of_instance);
//
// where `factory` makes fresh disks, and each disk makes stores, one after the other, as often as a
// test reopens. For a backend that lives in one directory DirectoryDisk does all but the
// constructor call. The file is built in by tests/conformance/CMakeLists.txt when the backend is.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/file_system.h"
#include "queue/store.h"
#include "tests/support/temporary_directory.h"

namespace brevdue::tests {

// What a test asks of the next store; everything else has small sizes that suit tests.
struct StoreSetup {
  bool read_only = false;
  bool full = false;            // as if no content fitted: by a reserve larger than any disk
  FileSystem* files = nullptr;  // never null when a disk is asked to make a store of it
};

// What outlives a store. At most one store of a disk lives at a time.
class StoreDisk {
 public:
  virtual ~StoreDisk() = default;
  virtual std::unique_ptr<queue::Store> make(const StoreSetup& setup) = 0;
};

struct StoreFactory {
  std::string name;
  bool uses_file_system = false;  // every write and sync goes through StoreSetup::files
  bool has_read_only = true;
  std::function<std::unique_ptr<StoreDisk>()> fresh_disk;
};

// A backend's directory and a quarantine beside it, as SpoolDirectory makes them.
struct StoreDirectories {
  std::string backend;
  std::string quarantine;
};

class DirectoryDisk final : public StoreDisk {
 public:
  using Make =
      std::function<std::unique_ptr<queue::Store>(const StoreDirectories&, const StoreSetup&)>;

  explicit DirectoryDisk(Make make);
  std::unique_ptr<queue::Store> make(const StoreSetup& setup) override;

 private:
  TemporaryDirectory spool_;
  StoreDirectories directories_;
  Make make_;
};

}  // namespace brevdue::tests
