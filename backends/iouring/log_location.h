// What the twelve bytes of a queue::Location mean to the log: where a message's record lies.
#pragma once

#include <cstdint>
#include <cstring>

#include "backends/iouring/log_record.h"
#include "queue/store.h"

namespace brevdue::backends {

struct LogLocation {
  RecordPlace place;
  std::uint32_t size = 0;  // of the record

  static LogLocation of(const queue::Location& location) {
    LogLocation found;
    static_assert(sizeof(LogLocation) == sizeof location.bytes);
    std::memcpy(&found, location.bytes.data(), sizeof found);
    return found;
  }
  queue::Location opaque() const {
    queue::Location location;
    std::memcpy(location.bytes.data(), this, sizeof *this);
    return location;
  }
};

}  // namespace brevdue::backends
