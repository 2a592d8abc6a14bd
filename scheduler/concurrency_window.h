// How many jobs may be under way to one destination at once, learned from what it does.
//
// The algorithm of Postfix's SCHEDULER_README with 1/N feedback: each success adds 1/N of a slot,
// each failure to connect or to be greeted takes 1/N away, and the window moves only in whole slots
// (hysteresis). A pseudo-cohort of failures, as many in a row as the window is wide, makes the
// destination dead: nothing is tried until a back-off has passed (60 s doubling to 4000 s), then
// one probe decides. Pure; times are steady.
#pragma once

#include <chrono>
#include <cstdint>
#include <random>

#include "core/clock.h"

namespace brevdue::scheduler {

struct WindowOptions {
  std::uint16_t start = 5;
  std::uint16_t max = 20;  // at least 1
  float cohort_limit = 1;  // pseudo-cohorts of failures until dead
  std::chrono::seconds dead_delay_min{60};
  std::chrono::seconds dead_delay_max{4000};
};

class ConcurrencyWindow {
 public:
  explicit ConcurrencyWindow(const WindowOptions& options);

  bool dead() const { return state_ == State::dead; }
  bool probing() const { return state_ == State::probing; }
  // The probe failed as well: what is due now is deferred without an attempt of its own.
  bool suspended() const { return dead() && deaths_ > 1; }
  bool may_start(std::uint32_t in_flight) const { return !dead() && in_flight < size(); }
  // 0 while dead, 1 while probing.
  std::uint32_t size() const;
  // Meaningful while dead.
  SteadyTime dead_until() const { return dead_until_; }

  // The destination answered and greeted us, whatever it then said about the message. `in_flight`
  // counts the job that ended.
  void success(const WindowOptions& options, std::uint32_t in_flight);
  void failure(const WindowOptions& options, SteadyTime now, std::mt19937_64& random);
  // The back-off is over, or the operator asks for an attempt now.
  void start_probe();
  // Nothing was learned that a new window would not say.
  bool pristine(const WindowOptions& options) const;

 private:
  enum class State : std::uint8_t { alive, dead, probing };

  void die(const WindowOptions& options, SteadyTime now, std::mt19937_64& random);

  SteadyTime dead_until_{};
  float success_ = 0;
  float failure_ = 0;
  float failed_cohorts_ = 0;
  std::uint16_t size_;
  std::uint8_t deaths_ = 0;  // in a row
  State state_ = State::alive;
};

}  // namespace brevdue::scheduler
