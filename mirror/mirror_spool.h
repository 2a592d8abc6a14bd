// The two spool directories of a mirror: locks them, decides with which sides it starts, makes the
// store over them, and takes sides out and puts them in while it runs.
//
// Each side is a spool directory (queue/spool_directory.h) with a side record (side_record.h). A
// side that is called stale and is there when the mirror starts is written anew by itself; an empty
// directory is not, since a disk may not be mounted: the operator attaches it.
//
// open() and make_store() in the owner's thread; the store must be gone before this is, but not
// before the last who holds a side. The rest from any thread; detach() and attach() block.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "mirror/mirrored_store.h"
#include "mirror/side_record.h"
#include "mirror/start_plan.h"
#include "queue/spool_directory.h"
#include "queue/spool_sides.h"
#include "queue/worker.h"

namespace brevdue::mirror {

struct MirrorSpoolOptions {
  std::array<std::string, 2> paths;
  std::string backend;  // of both sides
  unsigned backend_version = 0;
  MirrorOptions store;
  // A store of that backend in a spool directory.
  std::function<Result<std::unique_ptr<queue::Store>>(const std::string& spool)> make_store;
};

struct SideStatus {
  std::string path;
  SideState state = SideState::left;
  std::string why;  // it was left; empty if that is not known
  std::uint64_t epoch = 0;
  CopyProgress progress;  // of a side that is behind
};

class MirrorSpool final : public queue::SpoolSides,
                          public std::enable_shared_from_this<MirrorSpool> {
 public:
  // Errors: as of plan_start(), and busy where somebody holds a side.
  static Result<std::shared_ptr<MirrorSpool>> open(FileSystem& files, MirrorSpoolOptions options);
  ~MirrorSpool() override;

  // Of the sides that have everything. Again after the last one failed and is gone.
  Result<std::unique_ptr<queue::Store>> make_store();

  std::vector<queue::SpoolSidePtr> taking_part() const override;
  Result<void> give_up(const queue::SpoolSidePtr& side, const Error& why) override;

  std::array<SideStatus, 2> status() const;
  // Errors: not_found for a path that is none of the sides', busy for a side that takes part or
  // whose disk has yet to answer, invalid_argument for mail that is not the mirror's.
  Result<void> detach(const std::string& path);
  // Begins to write the side anew. `is_known`: it must have been part of this mirror.
  Result<void> attach(const std::string& path, bool is_known);
  // The side that takes no part; not_found if both do.
  Result<std::string> left_side() const;

 private:
  struct Member {
    std::optional<queue::SpoolDirectory> lock;
    std::optional<SideRecord> record;  // as it is on the disk
    queue::SpoolSidePtr side;          // null: has been left, or never took part
    std::string why_left;
    // Its disk has yet to let go of what was closed. Shared with the thread that closes it.
    std::shared_ptr<std::atomic<bool>> is_closing = std::make_shared<std::atomic<bool>>(false);
  };

  MirrorSpool(FileSystem& files, MirrorSpoolOptions options)
      : files_(files), options_(std::move(options)) {}

  Result<void> begin();
  Result<void> found_new();
  Result<void> lock_side(std::size_t index);
  Result<void> write_record(std::size_t index, const SideRecord& record);
  SideRecord record_of(std::size_t index) const;
  bool has_everything(std::size_t index) const;  // under the mutex
  void let_go(std::size_t index);
  Result<std::size_t> index_of(const std::string& path) const;

  MirrorSide part(std::size_t index, std::unique_ptr<queue::Store> store);
  Result<void> note_partner_stale(std::size_t index);
  Result<void> note_whole(std::size_t index);
  Result<void> copy_beside(std::size_t index, const queue::CopyPace& pace);
  void attach_stale();
  Result<void> check_attachable(std::size_t index, bool is_known) const;
  Result<void> note_incomplete(std::size_t index);
  Result<void> empty(std::size_t index);
  Result<void> put_in(std::size_t index, const MirroredStore::Handle& handle);

  FileSystem& files_;
  const MirrorSpoolOptions options_;
  std::mutex attaching_;  // one side at a time
  std::mutex noting_;     // one record at a time

  mutable std::mutex mutex_;
  std::array<Member, 2> members_;
  MirroredStore::Handle handle_;
  std::optional<std::size_t> stale_at_start_;
  std::unique_ptr<queue::Worker> worker_;  // attaches what was stale at the start
};

// What is found of the side at `path`, for plan_start(); opens and changes nothing.
FoundSide inspect(FileSystem& files, const std::string& path);

// Of a mirror that is not running: from now on the side at `path` has everything, whatever the
// other one has, which is written anew. Also makes the spool of one backend the first side of a
// mirror. Errors: busy, not_found, invalid_argument for a side that has only a part.
Result<void> declare_whole(FileSystem& files, const MirrorSpoolOptions& options,
                           const std::string& path);

}  // namespace brevdue::mirror
