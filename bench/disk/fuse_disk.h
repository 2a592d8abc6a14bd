// A FUSE file system with one file, `disk`, served from a Disk: the thin shell to the kernel.
//
// The kernel caches nothing (direct I/O on every open), so that each write and fsync of the file
// arrives here as it was made. Under a loop device a flush of the block device is an fsync of the
// file; loop devices announce no FUA, the kernel turns it into write and flush. One thread serves
// one request at a time.
#pragma once

#include <memory>
#include <string>

#include "bench/disk/disk.h"

struct fuse_session;

namespace brevdue::disk {

class FuseDisk {
 public:
  // `disk` outlives the mount. `directory` must exist and be empty.
  static Result<std::unique_ptr<FuseDisk>> mount(const std::string& directory, Disk& disk);
  FuseDisk(const FuseDisk&) = delete;
  FuseDisk& operator=(const FuseDisk&) = delete;
  ~FuseDisk();  // Unmounts.

  // Serves until somebody unmounts or until `stop` (a descriptor) becomes readable.
  Result<void> serve(int stop);

 private:
  explicit FuseDisk(fuse_session* session) : session_(session) {}

  fuse_session* session_;
  bool mounted_ = false;
};

}  // namespace brevdue::disk
