// The progress of `brevdue queue verify` on a terminal: one line that is written over and over.
// Where standard error is no terminal nothing is shown.
#pragma once

#include <chrono>

#include "ipc/verify_progress.h"

namespace brevdue::cli {

class VerifyProgressLine {
 public:
  VerifyProgressLine();
  ~VerifyProgressLine();  // clears it
  VerifyProgressLine(const VerifyProgressLine&) = delete;
  VerifyProgressLine& operator=(const VerifyProgressLine&) = delete;

  void show(const ipc::VerifyProgress& progress);
  // Before anything else is printed.
  void clear();
  std::chrono::duration<double> elapsed() const;

 private:
  const bool is_shown_;
  const std::chrono::steady_clock::time_point began_;
  bool written_ = false;
};

}  // namespace brevdue::cli
