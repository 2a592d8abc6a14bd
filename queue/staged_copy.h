// Copies the finished files of one staged/ directory to another one, for a side that is written
// anew while mail goes on. Blocking.
#pragma once

#include <cstdint>
#include <functional>

#include "core/error.h"
#include "core/file_system.h"
#include "queue/spool_sides.h"

namespace brevdue::queue {

// Called with the number of bytes just copied; false ends it with `cancelled`.
using CopyPace = std::function<bool(std::uint64_t)>;

// Durable when it returns: each file that lies in `from` under a queue id, when this is called and
// still at the end, is in `to` as well. A file that is there already is taken to be the same.
Result<void> copy_staged(FileSystem& files, const SpoolSide& from, const SpoolSide& to,
                         const CopyPace& pace);

}  // namespace brevdue::queue
