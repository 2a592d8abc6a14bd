// The LMDB backend over a file whose system calls are recorded; a start finds the file as a power
// cut left it.
#include <filesystem>

#include "backends/lmdb/lmdb_store.h"
#include "tests/powerloss/file_recorder.h"
#include "tests/support/temporary_directory.h"

namespace brevdue::powerloss {

namespace {
constexpr std::size_t map_size = std::size_t{4} << 20;

std::string memory_or_default() {
  const std::string shared = "/dev/shm";
  return std::filesystem::is_directory(shared) ? shared
                                               : tests::TemporaryDirectory::default_parent();
}

class LmdbMachine final : public StoreMachine {
 public:
  LmdbMachine(std::uint64_t, std::uint64_t seed)
      : directory_(memory_or_default()), recorder_(made(directory_), map_size, seed) {}

  std::unique_ptr<queue::Store> boot() override {
    std::filesystem::remove(directory_.path_of("lmdb/lock.mdb"));
    return std::make_unique<backends::LmdbStore>(options_in(directory_));
  }
  void arm_cut(std::uint64_t nth, std::size_t sector) override { recorder_.arm_cut(nth, sector); }
  bool has_power() const override { return recorder_.has_power(); }
  void lose_memory() override { recorder_.lose_memory(); }

  std::vector<std::string> calls() const override { return {"write", "sync"}; }
  void plan(const Fault& fault) override { recorder_.plan(fault); }
  bool fault_happened() const override { return recorder_.fault_happened(); }
  bool ends_store(const std::string& call) const override { return call == "sync"; }
  tests::LogModel::Shape shape() const override {
    return {.content_max = 3000, .batch_max = 4, .live_wanted = 12};
  }
  std::string text() const override { return "lmdb"; }

 private:
  static backends::LmdbStoreOptions options_in(const tests::TemporaryDirectory& directory) {
    backends::LmdbStoreOptions options;
    options.path = directory.path_of("lmdb");
    options.quarantine = directory.path_of("quarantine");
    options.map_size = map_size;
    options.growth_step = 64 * 1024;
    return options;
  }

  // Its first start, which renames the file, is cut in tests/lmdb.
  static std::string made(const tests::TemporaryDirectory& directory) {
    std::filesystem::create_directory(directory.path_of("quarantine"));
    backends::LmdbStore first(options_in(directory));
    const auto started = first.start();
    BREVDUE_ASSERT(started);
    return directory.path_of("lmdb/data.mdb");
  }

  tests::TemporaryDirectory directory_;
  FileRecorder recorder_;
};
}  // namespace

std::unique_ptr<StoreMachine> make_lmdb_machine(std::uint64_t variant, std::uint64_t seed) {
  return std::make_unique<LmdbMachine>(variant, seed);
}

std::unique_ptr<StoreMachine> make_machine(const std::string& backend, std::uint64_t variant,
                                           std::uint64_t seed) {
  if (backend == "iouring") return make_log_machine(variant, seed);
  if (backend == "lmdb") return make_lmdb_machine(variant, seed);
  if (backend == "mirror") return make_mirror_machine(variant, seed);
  if (backend == "maildir") return make_maildir_machine(variant, seed);
  return nullptr;
}

}  // namespace brevdue::powerloss
