#include "cli/verify_progress_line.h"

#include <algorithm>
#include <cstdio>
#include <string>

#include <fmt/format.h>
#include <unistd.h>

namespace brevdue::cli {

namespace {
std::string time_left(double seconds) {
  const auto whole = static_cast<long>(seconds + 0.5);
  if (whole >= 3600)
    return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}
}  // namespace

VerifyProgressLine::VerifyProgressLine()
    : is_shown_(::isatty(STDERR_FILENO) == 1), began_(std::chrono::steady_clock::now()) {}

VerifyProgressLine::~VerifyProgressLine() {
  clear();
}

std::chrono::duration<double> VerifyProgressLine::elapsed() const {
  return std::chrono::steady_clock::now() - began_;
}

void VerifyProgressLine::show(const ipc::VerifyProgress& progress) {
  if (!is_shown_ || progress.total == 0) return;
  const double seconds = std::max(elapsed().count(), 0.001);
  const double part = static_cast<double>(progress.messages) / static_cast<double>(progress.total);
  const double rate = static_cast<double>(progress.bytes) / seconds / (1 << 20);
  std::string line = fmt::format("{:3.0f} %  {} of {} messages  {:.1f} MiB/s", part * 100,
                                 progress.messages, progress.total, rate);
  if (part > 0) line += "  " + time_left(seconds / part - seconds) + " left";
  fmt::print(stderr, "\r{}\x1b[K", line);
  std::fflush(stderr);
  written_ = true;
}

void VerifyProgressLine::clear() {
  if (!written_) return;
  fmt::print(stderr, "\r\x1b[K");
  std::fflush(stderr);
  written_ = false;
}

}  // namespace brevdue::cli
