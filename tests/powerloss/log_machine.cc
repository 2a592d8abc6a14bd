// The log on the simulated disk of tests/iouring: one batch or four in flight, written by a thread
// of its own or by the one that submits.
#include <cerrno>
#include <map>

#include <fmt/format.h>

#include "tests/iouring/simulated_disk.h"
#include "tests/powerloss/store_machine.h"

namespace brevdue::powerloss {

namespace {
using tests::SimulatedDisk;

const std::map<std::string, SimulatedDisk::Change> changes = {
    {"write", SimulatedDisk::Change::write},
    {"create", SimulatedDisk::Change::create},
    {"remove", SimulatedDisk::Change::remove},
};

class LogMachine final : public StoreMachine {
 public:
  LogMachine(std::uint64_t variant, std::uint64_t seed)
      : disk_(seed), in_flight_(variant % 2 == 0 ? 1 : 4), attended_(variant / 2 % 2 == 1) {
    disk_.set_in_flight_max(in_flight_);
    if (attended_) disk_.set_attended();
    // Room for few segments: they are used again and again.
    disk_.set_segments_max(variant / 4 % 2 == 0 ? 14 : 1000);
  }

  std::unique_ptr<queue::Store> boot() override {
    backends::LogStoreOptions options;
    options.segment_size = 64 * 1024;
    options.spare_segments_max = 3;
    return tests::store_on(disk_, options);
  }
  void arm_cut(std::uint64_t nth, std::size_t sector) override { disk_.arm_cut(nth, sector); }
  bool has_power() const override { return disk_.has_power(); }
  void lose_memory() override { disk_.restore_power(); }

  std::vector<std::string> calls() const override { return {"write", "create", "remove"}; }
  void plan(const Fault& fault) override {
    if (fault.os_error == 0) return disk_.shorten_write(fault.nth);
    disk_.fail_change(changes.at(fault.call), fault.nth, fault.os_error);
  }
  bool fault_happened() const override { return disk_.fault_happened(); }
  // Segments that cannot be made or removed cost room only; a write may be one of those.
  bool ends_store(const std::string&) const override { return false; }
  tests::LogModel::Shape shape() const override {
    return {
        .content_max = 4000, .live_wanted = 16, .keep_forever = 20, .in_flight_max = in_flight_};
  }
  std::string text() const override {
    return fmt::format("iouring, {} in flight{}", in_flight_, attended_ ? ", attended" : "");
  }

 private:
  SimulatedDisk disk_;
  unsigned in_flight_;
  bool attended_;
};
}  // namespace

std::unique_ptr<StoreMachine> make_log_machine(std::uint64_t variant, std::uint64_t seed) {
  return std::make_unique<LogMachine>(variant, seed);
}

}  // namespace brevdue::powerloss
