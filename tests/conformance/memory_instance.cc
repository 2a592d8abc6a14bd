#include "queue/memory_store.h"
#include "tests/conformance/store_conformance.h"

namespace brevdue::tests {

namespace {
class MemoryStoreDisk final : public StoreDisk {
 public:
  std::unique_ptr<queue::Store> make(const StoreSetup& setup) override {
    const std::lock_guard lock(disk_.mutex);
    disk_.room = setup.full ? 0 : UINT64_MAX;
    return std::make_unique<queue::MemoryStore>(disk_);
  }

 private:
  queue::MemoryDisk disk_;
};
}  // namespace

INSTANTIATE_TEST_SUITE_P(Memory, StoreConformance,
                         testing::Values(StoreFactory{
                             .name = "MemoryStore",
                             .uses_file_system = false,
                             .has_read_only = false,
                             .fresh_disk = [] { return std::make_unique<MemoryStoreDisk>(); }}),
                         name_of_instance);

}  // namespace brevdue::tests
