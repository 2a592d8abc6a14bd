// The durable high-water mark of queue ids: no id at or above reserved() has ever been handed out
// by an earlier qmgr, so that a clock set back repeats none.
//
// open() reads the mark and gives floor(): where new ids begin. reserve_to() moves the mark ahead,
// durably, before ids up to there may be committed. Blocking; any one thread at a time.
#pragma once

#include <memory>
#include <utility>

#include "core/clock.h"
#include "core/file_system.h"
#include "queue/spool_sides.h"

namespace brevdue::queue {

class IdFloor {
 public:
  static constexpr std::chrono::seconds ahead{60};

  // Of a mirror the highest mark of its sides counts.
  static Result<IdFloor> open(FileSystem& files, std::shared_ptr<SpoolSides> spool, WallTime now);

  // To a side that is written anew, while nothing is reserved.
  static Result<void> copy(FileSystem& files, const SpoolSide& from, const SpoolSide& to);

  WallTime floor() const { return floor_; }
  WallTime reserved() const { return reserved_; }
  Result<void> reserve_to(WallTime mark);

 private:
  IdFloor(FileSystem& files, std::shared_ptr<SpoolSides> spool)
      : files_(&files), spool_(std::move(spool)) {}

  FileSystem* files_;
  std::shared_ptr<SpoolSides> spool_;
  WallTime floor_{};
  WallTime reserved_{};
};

}  // namespace brevdue::queue
