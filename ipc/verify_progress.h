// How far `brevdue queue verify` is, from qmgr to the command.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/error.h"

namespace brevdue::ipc {

struct VerifyProgress {
  std::uint64_t messages = 0;  // looked at, with those that left the queue meanwhile
  std::uint64_t total = 0;     // that were queued when it began
  std::uint64_t gone = 0;      // that left the queue before they were looked at
  std::uint64_t bytes = 0;     // read
  std::uint64_t damaged = 0;   // things found damaged
  std::uint64_t notes = 0;     // files that belong to no message

  bool operator==(const VerifyProgress&) const = default;
};

std::string encode(const VerifyProgress& progress);
Result<VerifyProgress> decode_verify_progress(std::string_view payload);

}  // namespace brevdue::ipc
