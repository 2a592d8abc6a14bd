// brevdue-store-trials: a store in this process on a machine in memory, through very many lives.
// tests/powerloss/run calls it.
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <map>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/powerloss/store_machine.h"

namespace brevdue::powerloss {

// Both weak: a wrong build has its own.
[[gnu::weak]] std::unique_ptr<queue::Store> as_built(std::unique_ptr<queue::Store> store) {
  return store;
}

[[gnu::weak]] SyncHabits sync_habits() {
  return {};
}

namespace {
constexpr std::string_view usage = R"(usage: brevdue-store-trials OPTIONS

Random mail through a store on a machine in memory; after each end of its life what it acknowledged
is compared with what a new one recovers.

  --backend NAME   iouring, lmdb, maildir, or mirror: two of iouring
  --mode cuts      each life ends in a power cut at any change of the disk
  --mode faults    each life has one call fail, with EIO, ENOSPC, EDQUOT, EROFS, or short
  --count N        cuts, or faults that happened (1000)
  --seed N         of everything but the timing of threads (1)
  --world N        only this world, as a complaint names it

Output, fields separated by tabs: "progress DONE CHECKED" now and then; "fault WORLD TEXT" for what
is wrong, which ends it; "done DONE CHECKED". Exit: 0 nothing wrong, 1 something is, 64 usage.
)";

constexpr unsigned lives_a_world = 25;
constexpr unsigned twice_every = 10;

struct Tally {
  std::uint64_t done = 0;
  std::uint64_t checked = 0;
};

// What GoogleTest's expectations in the model have found.
bool model_complains() {
  return testing::UnitTest::GetInstance()->Failed();
}

class World {
 public:
  World(const std::string& backend, std::uint64_t number, std::uint64_t seed, Tally& tally)
      : machine_(make_machine(backend, number, seed)),
        model_(seed, machine_->shape()),
        random_(seed ^ 0x5eed),
        tally_(tally) {}

  std::string text() const { return machine_->text(); }

  // A complaint or nothing.
  std::string cut_one_life() {
    const bool early = random_() % 4 == 0;
    machine_->arm_cut(1 + random_() % (early ? 8 : 80), random_() % 2 == 0 ? 512 : 4096);
    std::string complaint = live(200);
    tally_.done += machine_->has_power() ? 0 : 1;
    return complaint_of(std::move(complaint), "");
  }

  std::string fail_one_life() {
    const Fault fault = any_fault();
    const std::string words = fmt::format("{} {} errno {}{}", fault.call, fault.nth, fault.os_error,
                                          fault.lasting ? ", lasting" : "");
    std::string complaint = live(40, &fault);
    tally_.done += machine_->fault_happened() ? 1 : 0;
    return complaint_of(std::move(complaint), words);
  }

  // All power, twice: both recoveries must show the same.
  std::string recover_twice() {
    for (int round = 0; round < 2; ++round) {
      if (auto complaint = complaint_of(live(0), "recovered twice"); !complaint.empty()) {
        return complaint;
      }
    }
    return "";
  }

 private:
  Fault any_fault() {
    const auto calls = machine_->calls();
    constexpr int errors[] = {EIO, ENOSPC, EDQUOT, EROFS, 0};
    Fault fault;
    fault.call = calls[random_() % calls.size()];
    fault.os_error = errors[random_() % (fault.call == "write" ? 5 : 4)];
    // Files are made and removed rarely.
    const bool often = fault.call == "write" || fault.call.starts_with("sync");
    fault.nth = 1 + random_() % (often ? 30 : 3);
    fault.lasting = random_() % 2 == 0;
    return fault;
  }

  std::string complaint_of(std::string complaint, const std::string& words) {
    machine_->lose_memory();
    if (complaint.empty() && model_complains()) complaint = "see above";
    if (complaint.empty()) return complaint;
    return fmt::format("{}: {}{}{}", text(), words, words.empty() ? "" : ": ", complaint);
  }

  // Start, recovery, mail until the power or a call fails or `steps` are done.
  std::string live(unsigned steps, const Fault* fault = nullptr) {
    const auto store = as_built(machine_->boot());
    if (auto started = store->start(); !started) {
      return machine_->has_power() ? "start: " + describe(started.error()) : "";
    }
    tests::Recovered recovered;
    if (auto done = store->recover(recovered); !done) {
      return machine_->has_power() ? "recover: " + describe(done.error()) : "";
    }
    // A cut during recovery leaves contents unreadable: the next life checks what was reported.
    if (!machine_->has_power()) return "";
    const std::size_t known = model_.live();
    if (auto complaint = model_.check(*store, recovered); !complaint.empty()) {
      return machine_->has_power() ? complaint : "";
    }
    tally_.checked += known;
    if (fault != nullptr) machine_->plan(*fault);
    for (unsigned i = 0; i < steps; ++i) {
      if (!model_.step(*store)) return after_failure(*store, fault);
    }
    return fault != nullptr ? after_no_failure(*fault) : "";
  }

  std::string after_failure(queue::Store& store, const Fault* fault) {
    if (!machine_->has_power()) return "";
    if (fault == nullptr || !machine_->fault_happened()) return "a write failed by itself";
    const mail::QueueId id(7);
    const auto later = tests::commit(
        store, {queue::Enqueue{id, tests::envelope_of(id), tests::content_of(id, 9)}});
    if (later[0]) return "acknowledged after a failure";
    if (later[0].error().code == ErrorCode::unavailable) return "";
    return "after a failure: " + describe(later[0].error());
  }

  std::string after_no_failure(const Fault& fault) {
    const bool passed_over = machine_->fault_happened() && machine_->ends_store(fault.call);
    return passed_over ? "a failed " + fault.call + " was passed over" : "";
  }

  std::unique_ptr<StoreMachine> machine_;
  tests::LogModel model_;
  std::mt19937_64 random_;
  Tally& tally_;
};

using Options = std::map<std::string, std::string, std::less<>>;

std::uint64_t number(const std::string& digits) {
  std::uint64_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}

Options parse(int count, char** words) {
  Options options{{"backend", ""}, {"mode", ""}, {"count", "1000"}, {"seed", "1"}, {"world", ""}};
  for (int i = 1; i < count; i += 2) {
    const std::string_view word = words[i];
    const auto known = word.starts_with("--") ? options.find(word.substr(2)) : options.end();
    if (word == "--help" || known == options.end() || i + 1 == count) {
      fmt::print(word == "--help" ? stdout : stderr, "{}", usage);
      std::exit(word == "--help" ? 0 : 64);
    }
    known->second = words[i + 1];
  }
  const std::string& mode = options["mode"];
  if ((mode != "cuts" && mode != "faults") || make_machine(options["backend"], 0, 0) == nullptr) {
    fmt::print(stderr, "{}", usage);
    std::exit(64);
  }
  return options;
}

std::string live_through(World& world, bool cuts, std::uint64_t count, Tally& tally) {
  const std::uint64_t before = tally.done;
  for (unsigned life = 0; life < lives_a_world && tally.done < count; ++life) {
    std::string complaint = cuts ? world.cut_one_life() : world.fail_one_life();
    if (!complaint.empty()) return fmt::format("life {}: {}", life, complaint);
  }
  return tally.done == before ? "nothing came of any life: the rig does not reach the store" : "";
}

int run(Options options) {
  const std::uint64_t count = number(options["count"]);
  const std::uint64_t seed = number(options["seed"]);
  const bool one = !options["world"].empty();
  Tally tally;
  std::uint64_t world_number = number(options["world"]);
  while (tally.done < count) {
    World world(options["backend"], world_number, seed + world_number * 1'000'003, tally);
    std::string complaint = live_through(world, options["mode"] == "cuts", count, tally);
    if (complaint.empty() && world_number % twice_every == 0) complaint = world.recover_twice();
    if (!complaint.empty()) {
      fmt::print("fault\t{}\t{}\ndone\t{}\t{}\n", world_number, complaint, tally.done,
                 tally.checked);
      return 1;
    }
    if (one) break;
    if (++world_number % 4 == 0) {
      fmt::print("progress\t{}\t{}\n", tally.done, tally.checked);
      std::fflush(stdout);
    }
  }
  fmt::print("done\t{}\t{}\n", tally.done, tally.checked);
  return 0;
}
}  // namespace

}  // namespace brevdue::powerloss

int main(int count, char** words) {
  return brevdue::powerloss::run(brevdue::powerloss::parse(count, words));
}
