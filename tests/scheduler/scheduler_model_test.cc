// Random events against a model that keeps every slice in one plain map and knows only what must
// hold, not how the scheduler chooses.
#include <map>
#include <set>
#include <tuple>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "scheduler/scheduler.h"

namespace brevdue::scheduler {
namespace {

using mail::QueueId;
using namespace std::chrono_literals;

struct Slice {
  enum { waiting, taken, held } state = waiting;
  SteadyTime due;
  bool hold_after = false;
  bool removed = false;
  std::uint32_t suspect = 0;
};
using Key = std::tuple<std::uint64_t, std::string, unsigned>;

class Model : public testing::TestWithParam<std::uint64_t> {
 protected:
  std::uint64_t dice(std::uint64_t sides) { return random() % sides; }
  std::string destination() { return fmt::format("d{}", dice(12)); }

  void add() {
    const std::uint64_t id = ++last_id;
    for (std::uint64_t i = 0; i <= dice(3); ++i) {
      const std::string name = fmt::format("d{}", (id + i) % 12);
      const auto count = static_cast<std::uint32_t>(dice(10) == 0 ? dice(45) : 1);
      const auto due = now + std::chrono::seconds(dice(600));
      const bool held = dice(20) == 0;
      ASSERT_TRUE(scheduler.add({.message = QueueId(id),
                                 .destination = name,
                                 .count = count,
                                 .due = due,
                                 .reverse_path = fmt::format("s{}", dice(40)),
                                 .held = held}));
      for (unsigned first = 0; first < count; first += 10) {
        slices[{id, name, first}] = {held ? Slice::held : Slice::waiting, due};
      }
    }
  }

  template <class Action>
  void each_of(std::uint64_t id, Action action) {
    for (auto at = slices.lower_bound({id, "", 0});
         at != slices.end() && std::get<0>(at->first) == id;) {
      const auto next = std::next(at);
      if (!at->second.removed) action(at);
      at = next;
    }
  }

  void operate() {
    const std::uint64_t id = 1 + dice(last_id + 1);
    switch (dice(6)) {
      case 0:
        scheduler.hold(QueueId(id));
        each_of(id, [](auto at) {
          if (at->second.state == Slice::taken) {
            at->second.hold_after = true;
          } else {
            at->second.state = Slice::held;
          }
        });
        break;
      case 1:
        scheduler.release(QueueId(id), now);
        each_of(id, [&](auto at) {
          at->second.hold_after = false;
          if (at->second.state != Slice::held) return;
          at->second = {Slice::waiting, now};
        });
        break;
      case 2:
        scheduler.remove(QueueId(id));
        each_of(id, [&](auto at) {
          if (at->second.state == Slice::taken) {
            at->second.removed = true;
          } else {
            slices.erase(at);
          }
        });
        break;
      case 3:
        scheduler.retry(QueueId(id), now);
        each_of(id, [&](auto at) {
          if (at->second.state == Slice::waiting) at->second.due = std::min(at->second.due, now);
        });
        break;
      case 4: {
        const std::string name = destination();
        scheduler.flush(name, now);
        for (auto& [key, slice] : slices) {
          if (std::get<1>(key) == name && slice.state == Slice::waiting) {
            slice.due = std::min(slice.due, now);
          }
        }
        break;
      }
      default:
        break;
    }
  }

  void take() {
    const std::size_t room = dice(3) == 0 ? 1000 : dice(6);
    const auto jobs = scheduler.take(room, now);
    ASSERT_LE(jobs.size(), room);
    for (const Job& job : jobs) {
      const std::string name(scheduler.name_of(job.destination));
      const auto found = slices.find({job.message.value(), name, job.first});
      ASSERT_NE(found, slices.end());
      Slice& slice = found->second;
      ASSERT_EQ(slice.state, Slice::waiting);
      ASSERT_LE(slice.due, now);
      ASSERT_TRUE(job.suspended || job.exclusive == (slice.suspect > 0));
      slice.state = Slice::taken;
      if (!job.suspended) ++in_flight[name];
      exclusives += job.exclusive ? 1 : 0;
      ASSERT_LE(exclusives, 1);
      under_way.push_back(job);
    }
    for (const auto& [name, count] : in_flight) ASSERT_LE(count, 8U) << name;
    // Work conservation: with room to spare, nothing due is left where the window is open.
    if (jobs.size() == room) return;
    for (const auto& [key, slice] : slices) {
      if (slice.state != Slice::waiting || slice.due > now || slice.suspect > 0) continue;
      const auto state = scheduler.state_of(std::get<1>(key));
      ASSERT_TRUE(state);
      ASSERT_GE(state->in_flight, state->window) << std::get<1>(key);
    }
  }

  void report() {
    if (under_way.empty()) return;
    const std::size_t at = dice(under_way.size());
    const Job job = under_way[at];
    under_way[at] = under_way.back();
    under_way.pop_back();
    const std::string name(scheduler.name_of(job.destination));
    const auto found = slices.find({job.message.value(), name, job.first});
    ASSERT_NE(found, slices.end());
    Slice& slice = found->second;
    static constexpr Outcome outcomes[] = {Outcome::answered, Outcome::crashed, Outcome::untried};
    Outcome outcome = outcomes[dice(3)];
    // Some destinations are often dead.
    if (job.suspended || (name < "d3" && dice(10) < 8)) outcome = Outcome::destination_failed;
    std::optional<SteadyTime> next;
    if (outcome == Outcome::crashed || dice(3) > 0) next = now + std::chrono::seconds(dice(900));
    scheduler.report(job, outcome, next, now);
    if (!job.suspended) --in_flight[name];
    if (job.exclusive) --exclusives;
    if (slice.removed || !next) {
      slices.erase(found);
      return;
    }
    slice.state = slice.hold_after ? Slice::held : Slice::waiting;
    slice.hold_after = false;
    slice.due = *next;
    if (outcome == Outcome::crashed) {
      ++slice.suspect;
    } else if (outcome != Outcome::untried && !job.suspended) {
      slice.suspect = 0;
    }
  }

  static SchedulerOptions options() {
    SchedulerOptions options;
    options.window.max = 8;
    options.slice_recipients = 10;
    options.bulk_threshold = 10;
    options.idle_destinations_max = 2;
    return options;
  }

  std::mt19937_64 random{GetParam()};
  std::mt19937_64 jitter{GetParam() + 1};
  Scheduler scheduler{options(), jitter};
  SteadyTime now{1000h};
  std::map<Key, Slice> slices;
  std::map<std::string, unsigned> in_flight;
  std::vector<Job> under_way;
  std::uint64_t last_id = 0;
  int exclusives = 0;
};

TEST_P(Model, HoldsUnderRandomEvents) {
  SCOPED_TRACE(fmt::format("seed {}", GetParam()));
  for (int step = 0; step < 6000 && !HasFatalFailure(); ++step) {
    switch (dice(10)) {
      case 0:
      case 1:
        if (slices.size() < 300) add();
        break;
      case 2:
        operate();
        break;
      case 3:
      case 4:
      case 5:
        take();
        break;
      case 6:
        now += std::chrono::seconds(dice(120));
        break;
      default:
        report();
        break;
    }
    ASSERT_EQ(scheduler.entry_count(), slices.size());
  }
  // All of it comes to an end when every attempt does well.
  for (std::uint64_t id = 1; id <= last_id; ++id) {
    scheduler.release(QueueId(id), now);
  }
  for (const Job& job : under_way) scheduler.report(job, Outcome::answered, std::nullopt, now);
  for (int i = 0; i < 100'000 && scheduler.entry_count() > 0; ++i) {
    if (const auto due = scheduler.next_due()) now = std::max(now, *due);
    for (const Job& job : scheduler.take(100, now)) {
      scheduler.report(job, Outcome::answered, std::nullopt, now);
    }
  }
  EXPECT_EQ(scheduler.entry_count(), 0U);
}

INSTANTIATE_TEST_SUITE_P(Seeds, Model, testing::Range<std::uint64_t>(1, 21));

}  // namespace
}  // namespace brevdue::scheduler
