// The directories that hold what lies beside a store (large content, the mark of ids): the one
// spool directory, or those of a mirror's two sides.
//
// Who writes there writes to every side that takes part, and gives up one whose write or sync
// fails before anything is acknowledged that it lacks. Any thread.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/file_system.h"
#include "core/unique_fd.h"

namespace brevdue::queue {

struct SpoolSide {
  std::string path;     // of the spool directory, for messages
  UniqueFd directory;   // the spool directory
  UniqueFd staged;      // its staged/ directory
  UniqueFd quarantine;  // its quarantine/ directory
};
// Held by whoever works on it, also after it was given up.
using SpoolSidePtr = std::shared_ptr<const SpoolSide>;
// The directories of the spool at `path`, which are there.
Result<SpoolSidePtr> open_spool_side(FileSystem& files, const std::string& path);

class SpoolSides {
 public:
  virtual ~SpoolSides() = default;
  // In the order in which they are to be read.
  virtual std::vector<SpoolSidePtr> taking_part() const = 0;
  // A write or a sync failed there. Success, once another side says durably that this one is not to
  // be trusted; an error (`why`, as a rule) where there is none, so that what was to be written has
  // failed. Blocks. Harmless for a side that takes no part any more.
  virtual Result<void> give_up(const SpoolSidePtr& side, const Error& why) = 0;

  // Replaces a small file in the spool directory of each side, durably.
  Result<void> replace(FileSystem& files, const std::string& name, std::string_view text);
  // The texts of a small file, of those sides that have it.
  Result<std::vector<std::string>> read(FileSystem& files, const std::string& name,
                                        std::size_t size_max) const;

 protected:
  // Keeps replace() out.
  std::unique_lock<std::mutex> stop_replacing() { return std::unique_lock(replacing_); }

 private:
  std::mutex replacing_;
};

// The one directory of a spool that is not mirrored.
class SingleSpool final : public SpoolSides {
 public:
  explicit SingleSpool(SpoolSidePtr side) : side_(std::move(side)) {}
  // `path` is that of a spool directory, with staged/ and quarantine/ in it.
  static Result<std::shared_ptr<SpoolSides>> open(FileSystem& files, const std::string& path);

  std::vector<SpoolSidePtr> taking_part() const override { return {side_}; }
  Result<void> give_up(const SpoolSidePtr& side, const Error& why) override;

 private:
  SpoolSidePtr side_;
};

}  // namespace brevdue::queue
