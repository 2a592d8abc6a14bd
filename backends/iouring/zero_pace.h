// How fast a segment is made ahead. Its zeros stand in line with the batches: on a disk that serves
// one request at a time each piece of them can double what a commit takes. So while mail comes they
// get an eighth of the time of a slow disk (more if mail needs more: Caretaker::make_way), as long
// as nobody will soon wait for the segment.
#pragma once

#include <algorithm>
#include <chrono>

namespace brevdue::backends {

// For how long nothing is written after a piece that took so long; `hurries`: mail will soon wait
// for the segment.
inline std::chrono::nanoseconds pause_after_zeros(std::chrono::nanoseconds took, bool hurries) {
  constexpr std::chrono::milliseconds quick{3};  // a mebibyte, on a disk that has room for both
  constexpr std::chrono::milliseconds most{200};
  if (hurries || took < quick) return std::chrono::nanoseconds(0);
  return std::min<std::chrono::nanoseconds>(7 * took, most);
}

}  // namespace brevdue::backends
