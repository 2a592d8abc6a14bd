#include "scheduler/concurrency_window.h"

#include <algorithm>

namespace brevdue::scheduler {

// 1/N added N times must make a whole slot in spite of rounding.
static constexpr float rounding = 1e-3F;

static std::uint16_t start_size(const WindowOptions& options) {
  return std::clamp<std::uint16_t>(options.start, 1, std::max<std::uint16_t>(options.max, 1));
}

ConcurrencyWindow::ConcurrencyWindow(const WindowOptions& options) : size_(start_size(options)) {}

std::uint32_t ConcurrencyWindow::size() const {
  switch (state_) {
    case State::dead:
      return 0;
    case State::probing:
      return 1;
    case State::alive:
      break;
  }
  return size_;
}

void ConcurrencyWindow::success(const WindowOptions& options, std::uint32_t in_flight) {
  failed_cohorts_ = 0;
  if (state_ != State::alive) {
    state_ = State::alive;
    deaths_ = 0;
    success_ = failure_ = 0;
    size_ = start_size(options);
    return;
  }
  // A window that is not used proves nothing about its width.
  if (size_ >= options.max || size_ >= in_flight + start_size(options)) return;
  success_ += 1.0F / static_cast<float>(size_);
  if (success_ + rounding >= 1) {
    ++size_;
    success_ = failure_ = 0;
  }
}

void ConcurrencyWindow::failure(const WindowOptions& options, SteadyTime now,
                                std::mt19937_64& random) {
  // Jobs that were under way when the destination died say nothing new.
  if (state_ == State::dead) return;
  failed_cohorts_ += 1.0F / static_cast<float>(size());
  if (state_ == State::probing || failed_cohorts_ + rounding >= options.cohort_limit) {
    die(options, now, random);
    return;
  }
  failure_ -= 1.0F / static_cast<float>(size_);
  if (failure_ < -rounding) {
    // The first failure costs a slot at once, the next only after a whole window of them.
    size_ = std::max<std::uint16_t>(static_cast<std::uint16_t>(size_ - 1), 1);
    failure_ += 1;
    success_ = 0;
  }
}

void ConcurrencyWindow::die(const WindowOptions& options, SteadyTime now, std::mt19937_64& random) {
  auto delay = std::chrono::duration<double>(options.dead_delay_min);
  for (unsigned i = 0; i < deaths_ && delay < options.dead_delay_max; ++i) delay *= 2;
  delay = std::min<std::chrono::duration<double>>(delay, options.dead_delay_max);
  std::uniform_real_distribution<double> part(0.8, 1.0);
  dead_until_ = now + std::chrono::duration_cast<SteadyTime::duration>(delay * part(random));
  deaths_ = static_cast<std::uint8_t>(std::min(deaths_ + 1, 64));
  failed_cohorts_ = 0;
  state_ = State::dead;
}

void ConcurrencyWindow::start_probe() {
  if (state_ == State::dead) state_ = State::probing;
}

bool ConcurrencyWindow::pristine(const WindowOptions& options) const {
  return state_ == State::alive && size_ == start_size(options) && failed_cohorts_ <= 0;
}

}  // namespace brevdue::scheduler
