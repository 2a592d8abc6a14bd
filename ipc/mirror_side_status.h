// What `brevdue queue mirror status` shows of one side of a mirror.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/error.h"

namespace brevdue::ipc {

struct MirrorSideStatus {
  enum class State : std::uint8_t {
    current,  // has everything
    behind,   // is written anew
    left,     // takes no part
  };
  State state = State::left;
  std::uint64_t epoch = 0;
  // Of one that is behind: what was copied since it joined, and what is left.
  std::uint64_t messages = 0;
  std::uint64_t messages_left = 0;
  std::uint64_t bytes = 0;
  std::chrono::milliseconds elapsed{0};
  std::string path;  // of its spool directory
  std::string why;   // it was left, as far as that is known

  bool operator==(const MirrorSideStatus&) const = default;
};

std::string encode(const MirrorSideStatus& status);
Result<MirrorSideStatus> decode_mirror_side_status(std::string_view payload);

}  // namespace brevdue::ipc
