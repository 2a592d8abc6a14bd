// A mirror of two logs, each on a simulated disk of its own. The power of both goes at about the
// same time, or one goes while the other lives on; a call fails on one of them.
//
// What a side notes of the other is durable at once if its disk has power. A side that was left is
// empty when it starts again, and is written anew. recover() returns when nothing is left to copy:
// what only one side has may be lost with it, and the model would not know that.
#include <array>
#include <atomic>
#include <functional>
#include <utility>

#include <fmt/format.h>

#include "mirror/mirrored_store.h"
#include "tests/powerloss/store_machine.h"

namespace brevdue::powerloss {

namespace {
constexpr std::chrono::seconds copying_patience{60};

class PassingOn : public queue::Store {
 public:
  explicit PassingOn(std::unique_ptr<queue::Store> store) : store_(std::move(store)) {}

  Result<void> start() override { return store_->start(); }
  Result<void> recover(queue::RecoverySink& sink) override { return store_->recover(sink); }
  void submit(queue::Batch batch, queue::BatchDone done) override {
    store_->submit(std::move(batch), std::move(done));
  }
  unsigned depth() const override { return store_->depth(); }
  Result<SharedBytes> open(mail::QueueId id, const queue::Location& at) override {
    return store_->open(id, at);
  }
  Result<queue::StoredMessage> look_up(mail::QueueId id, const queue::Location& at) override {
    return store_->look_up(id, at);
  }
  std::uint64_t room() const override { return store_->room(); }

 protected:
  std::unique_ptr<queue::Store> store_;
};

class WaitsForCopies final : public PassingOn {
 public:
  WaitsForCopies(std::unique_ptr<mirror::MirroredStore> store, std::function<void()> copied)
      : PassingOn(nullptr), handle_(store->handle()), copied_(std::move(copied)) {
    store_ = std::move(store);
  }
  Result<void> recover(queue::RecoverySink& sink) override {
    auto done = store_->recover(sink);
    if (done) handle_.wait_until_copied(copying_patience);
    copied_();
    return done;
  }

 private:
  mirror::MirroredStore::Handle handle_;
  std::function<void()> copied_;
};

// A store that was left may end after the mirror: its disk lives as long.
class HoldsItsDisk final : public PassingOn {
 public:
  explicit HoldsItsDisk(std::shared_ptr<StoreMachine> disk)
      : PassingOn(nullptr), disk_(std::move(disk)) {
    store_ = disk_->boot();
  }
  ~HoldsItsDisk() override { store_.reset(); }

 private:
  std::shared_ptr<StoreMachine> disk_;
};

class MirrorMachine final : public StoreMachine {
 public:
  explicit MirrorMachine(std::uint64_t seed) : random_(seed) {
    for (auto& machine : machines_) machine = fresh();
  }

  std::unique_ptr<queue::Store> boot() override {
    std::array<mirror::MirrorSide, 2> sides;
    for (std::size_t i = 0; i < 2; ++i) {
      if (stale_[i]) machines_[i] = fresh();
      sides[i].name = i == 0 ? "a" : "b";
      sides[i].store = std::make_unique<HoldsItsDisk>(machines_[i]);
      sides[i].is_behind = stale_[i];
      sides[i].note_partner_stale = [this, i]() -> Result<void> {
        if (!machines_[i]->has_power()) return fail(ErrorCode::io_failure, "no power");
        stale_[1 - i] = true;
        return {};
      };
      sides[i].note_whole = [this, i]() -> Result<void> {
        if (!machines_[1 - i]->has_power()) return fail(ErrorCode::io_failure, "no power");
        stale_[i] = false;
        return {};
      };
    }
    arm();
    mirror::MirrorOptions options;
    options.stall_max = std::chrono::seconds(60);
    return std::make_unique<WaitsForCopies>(
        std::make_unique<mirror::MirroredStore>(std::move(sides), std::move(options)), [this] {
          // One that died before all was copied may have taken with it what only it had.
          for (const auto& machine : machines_) died_early_ = died_early_ || !machine->has_power();
        });
  }
  void arm_cut(std::uint64_t nth, std::size_t sector) override {
    cut_at_ = nth;
    sector_ = sector;
  }
  bool has_power() const override {
    if (died_early_) return false;
    for (std::size_t i = 0; i < 2; ++i) {
      if (!stale_[i] && machines_[i]->has_power()) return true;
    }
    return false;
  }
  void lose_memory() override {
    died_early_ = false;
    for (auto& machine : machines_) machine->lose_memory();
  }

  // Where only one side has room, what was refused may be there until it is taken back.
  std::vector<std::string> calls() const override { return {"write"}; }
  void plan(const Fault& fault) override { machines_[random_() % 2]->plan(fault); }
  bool fault_happened() const override {
    return machines_[0]->fault_happened() || machines_[1]->fault_happened();
  }
  // It costs a side.
  bool ends_store(const std::string&) const override { return false; }
  // A disk without power has no room either; what one side refuses is on the other one until the
  // next batch takes it back.
  tests::LogModel::Shape shape() const override {
    auto shape = machines_[0]->shape();
    shape.may_keep_refused = true;
    return shape;
  }
  std::string text() const override { return "mirror of two, " + machines_[0]->text(); }

 private:
  std::shared_ptr<StoreMachine> fresh() { return make_log_machine(roomy, random_()); }

  // The stores exist; what they change from now on counts.
  void arm() {
    if (cut_at_ == 0) return;
    const bool together = random_() % 2 == 0;
    machines_[0]->arm_cut(cut_at_ + random_() % 3, sector_);
    machines_[1]->arm_cut(cut_at_ + random_() % (together ? 3 : 60), sector_);
    cut_at_ = 0;
  }

  // One batch in flight: of two, one side may have the first and the other one the second. With
  // room: of a batch that only one side has room for the other one may keep a part.
  static constexpr std::uint64_t roomy = 4;
  std::mt19937_64 random_;
  std::array<std::shared_ptr<StoreMachine>, 2> machines_;
  std::array<std::atomic<bool>, 2> stale_{};  // the other one has noted it
  bool died_early_ = false;                   // a side, in recovery
  std::uint64_t cut_at_ = 0;
  std::size_t sector_ = 512;
};
}  // namespace

std::unique_ptr<StoreMachine> make_mirror_machine(std::uint64_t /*variant*/, std::uint64_t seed) {
  return std::make_unique<MirrorMachine>(seed);
}

}  // namespace brevdue::powerloss
