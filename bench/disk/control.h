// The line protocol of a disk's control channel: one command a line, one line in answer.
//
//   stats                                counters, as name=value
//   mark TEXT                            an entry in the record, ordered against the writes
//   cut [drop|keep|subset SEED|torn SEED 512|4096]
//   fail read|write|flush N ERRNO        N: 3 (the next three), all, @3 (the third), @3+ (from it
//   on) damage OFFSET LENGTH [SEED]          reads of these bytes come back with flipped bits stall
//   MS                             no request is begun for that long heal ends fail, damage and
//   stall quit                                 the disk stops
//
// An answer begins with "ok" or "error". A line is at most 8192 bytes.
#pragma once

#include <string>
#include <string_view>

#include "bench/disk/disk.h"

namespace brevdue::disk {

constexpr std::size_t longest_line = 8192;

struct Answer {
  std::string line;  // Without the line end.
  bool quit = false;
};

Answer obey(std::string_view command, Disk& disk);

}  // namespace brevdue::disk
