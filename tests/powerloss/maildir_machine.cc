// The directory backend on a simulated file system of each kind, with each way to sync.
#include <array>

#include <fmt/format.h>

#include "backends/maildir/maildir_store.h"
#include "tests/powerloss/simulated_file_system.h"

namespace brevdue::powerloss {

namespace {
using backends::MaildirSync;

struct Setting {
  FileSystemKind kind;
  MaildirSync sync;
};
constexpr std::array<Setting, 7> settings = {{
    {FileSystemKind::ext4, MaildirSync::automatic},
    {FileSystemKind::other, MaildirSync::automatic},
    {FileSystemKind::xfs, MaildirSync::automatic},
    {FileSystemKind::other, MaildirSync::fsync},
    {FileSystemKind::btrfs, MaildirSync::syncfs},
    {FileSystemKind::nfs, MaildirSync::automatic},
    {FileSystemKind::ext4, MaildirSync::fsync},
}};

class MaildirMachine final : public StoreMachine {
 public:
  MaildirMachine(std::uint64_t variant, std::uint64_t seed)
      : setting_(settings[variant % settings.size()]), files_(setting_.kind, seed) {
    const auto made = files_.make_directory(AT_FDCWD, "quarantine", 0700);
    const auto synced = files_.sync_file_system(AT_FDCWD);
    BREVDUE_ASSERT(made && synced);
  }

  std::unique_ptr<queue::Store> boot() override {
    backends::MaildirStoreOptions options;
    options.path = "maildir";
    options.quarantine = "quarantine";
    options.sync = setting_.sync;
    return std::make_unique<backends::MaildirStore>(options, files_);
  }
  void arm_cut(std::uint64_t nth, std::size_t sector) override { files_.arm_cut(nth, sector); }
  bool has_power() const override { return files_.has_power(); }
  void lose_memory() override { files_.lose_memory(); }

  std::vector<std::string> calls() const override {
    return {"write", "sync", "syncfs", "open", "unlink"};
  }
  void plan(const Fault& fault) override { files_.plan(fault); }
  bool fault_happened() const override { return files_.fault_happened(); }
  bool ends_store(const std::string& call) const override {
    return call == "sync" || call == "syncfs";
  }
  tests::LogModel::Shape shape() const override {
    return {.content_max = 3000, .batch_max = 4, .live_wanted = 12, .may_set_aside = true};
  }
  std::string text() const override {
    return fmt::format("maildir on {}, sync {}", name_of(setting_.kind),
                       static_cast<int>(setting_.sync));
  }

 private:
  Setting setting_;
  SimulatedFileSystem files_;
};
}  // namespace

std::unique_ptr<StoreMachine> make_maildir_machine(std::uint64_t variant, std::uint64_t seed) {
  return std::make_unique<MaildirMachine>(variant, seed);
}

}  // namespace brevdue::powerloss
