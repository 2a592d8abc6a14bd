#include "backends/iouring/log_store.h"
#include "backends/lmdb/lmdb_store.h"
#include "backends/maildir/maildir_store.h"
#include "mirror/mirrored_store.h"
#include "queue/memory_store.h"
#include "tests/conformance/store_conformance.h"

namespace brevdue::tests {

namespace {

std::unique_ptr<queue::Store> mirror_of(std::unique_ptr<queue::Store> a,
                                        std::unique_ptr<queue::Store> b) {
  const auto note = [] { return Result<void>(); };
  return std::make_unique<mirror::MirroredStore>(
      std::array<mirror::MirrorSide, 2>{{{"a", std::move(a), note}, {"b", std::move(b), note}}},
      mirror::MirrorOptions{
          .stall_max = std::chrono::seconds(60), .copy_rate = 0, .notice = {}, .started = {}});
}

class MirroredMemory final : public StoreDisk {
 public:
  std::unique_ptr<queue::Store> make(const StoreSetup& setup) override {
    for (queue::MemoryDisk* disk : {&a_, &b_}) {
      const std::lock_guard lock(disk->mutex);
      disk->room = setup.full ? 0 : UINT64_MAX;
    }
    return mirror_of(std::make_unique<queue::MemoryStore>(a_),
                     std::make_unique<queue::MemoryStore>(b_));
  }

 private:
  queue::MemoryDisk a_;
  queue::MemoryDisk b_;
};

template <class Store, class Options>
class MirroredDirectories final : public StoreDisk {
 public:
  std::unique_ptr<queue::Store> make(const StoreSetup& setup) override {
    return mirror_of(a_.make(setup), b_.make(setup));
  }

 private:
  static std::unique_ptr<queue::Store> make_side(const StoreDirectories& directories,
                                                 const StoreSetup& setup) {
    Options options;
    options.path = directories.backend;
    options.quarantine = directories.quarantine;
    if (setup.full) options.reserve = UINT64_MAX;
    if constexpr (std::is_same_v<Store, backends::LogStore>) options.segment_size = 2u << 20;
    if constexpr (std::is_same_v<Store, backends::LmdbStore>) {
      options.map_size = 1u << 30;
      options.growth_step = 4u << 20;
    }
    return std::make_unique<Store>(std::move(options));
  }

  DirectoryDisk a_{make_side};
  DirectoryDisk b_{make_side};
};

template <class Disk>
StoreFactory factory(std::string name) {
  return {
      .name = std::move(name), .uses_file_system = false, .has_read_only = false, .fresh_disk = [] {
        return std::make_unique<Disk>();
      }};
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(
    Mirror, StoreConformance,
    testing::Values(
        factory<MirroredMemory>("MirrorOfMemoryStores"),
        factory<MirroredDirectories<backends::LogStore, backends::LogStoreOptions>>(
            "MirrorOfLogStores"),
        factory<MirroredDirectories<backends::LmdbStore, backends::LmdbStoreOptions>>(
            "MirrorOfLmdbStores"),
        factory<MirroredDirectories<backends::MaildirStore, backends::MaildirStoreOptions>>(
            "MirrorOfMaildirStores")),
    name_of_instance);

}  // namespace brevdue::tests
