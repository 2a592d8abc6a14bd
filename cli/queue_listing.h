// Prints queue entries: as `mailq` does with long queue ids, or one JSON object a line with the
// members of `postqueue -j`.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

#include "ipc/queue_entry.h"

namespace brevdue::cli {

std::string json_line(const ipc::QueueEntry& entry);

class QueueListing {
 public:
  QueueListing(std::FILE* out, bool json) : out_(out), json_(json) {}

  void add(const ipc::QueueEntry& entry);
  void finish();  // the last line of mailq

 private:
  std::FILE* out_;
  bool json_;
  std::uint64_t bytes_ = 0;
  std::uint64_t count_ = 0;
};

}  // namespace brevdue::cli
