// The durable high-water mark of queue ids: no id at or above reserved() has ever been handed out
// by an earlier qmgr, so that a clock set back repeats none.
//
// open() reads the mark and gives floor(): where new ids begin. reserve_to() moves the mark ahead,
// durably, before ids up to there may be committed. Blocking; any one thread at a time.
#pragma once

#include "core/clock.h"
#include "core/file_system.h"

namespace brevdue::queue {

class IdFloor {
 public:
  static constexpr std::chrono::seconds ahead{60};

  // `spool` is the descriptor of the spool directory and must stay open.
  static Result<IdFloor> open(FileSystem& files, int spool, WallTime now);

  WallTime floor() const { return floor_; }
  WallTime reserved() const { return reserved_; }
  Result<void> reserve_to(WallTime mark);

 private:
  IdFloor(FileSystem& files, int spool) : files_(&files), spool_(spool) {}

  FileSystem* files_;
  int spool_;
  WallTime floor_{};
  WallTime reserved_{};
};

}  // namespace brevdue::queue
