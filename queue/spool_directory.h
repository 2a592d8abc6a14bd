// The spool directory: who may use it and what is in it.
//
//   FORMAT      three lines: "brevdue-spool 1", "backend NAME VERSION", "uuid …"
//   lock        held by the qmgr that owns the spool (flock); names its pid
//   staged/     content too large for a store, one file a message, named by its queue id
//   quarantine/ what recovery found damaged
//   id-floor    ids below this were handed out (text, microseconds)
//   mirror      of a side of a mirror: what it knows of the mirror (mirror/side_record.h)
//   NAME/       the backend's own files
//
// Opening creates what is missing. A spool of another backend or of a newer format, and a lock that
// somebody holds, are refused with an error that says what to do. Main thread only; the lock lasts
// as long as the object.
#pragma once

#include <string>

#include "core/error.h"
#include "core/file_system.h"
#include "core/unique_fd.h"

namespace brevdue::queue {

struct SpoolOptions {
  std::string path;
  std::string backend;       // "iouring", "lmdb", "maildir"
  unsigned backend_version;  // what this build writes; an older one on disk is refused as well
  // For looking at a stopped spool: creates nothing, takes the lock all the same.
  bool read_only = false;
  bool side_of_mirror = false;  // one that is and one that is not are not taken for each other
};

class SpoolDirectory {
 public:
  static Result<SpoolDirectory> open(FileSystem& files, const SpoolOptions& options);
  // The name of the backend that a spool was made for, without locking it; not_found for no spool.
  static Result<std::string> backend_of(FileSystem& files, const std::string& path);

  const std::string& path() const { return path_; }
  std::string backend_path() const { return path_ + "/" + backend_; }
  int fd() const { return directory_.get(); }
  bool created() const { return created_; }  // this call made the spool

 private:
  SpoolDirectory() = default;
  Result<void> take_lock(FileSystem& files);
  Result<void> check_mirror(FileSystem& files);
  Result<void> check_format(FileSystem& files, const SpoolOptions& options);

  std::string path_;
  std::string backend_;
  UniqueFd directory_;
  UniqueFd lock_;
  bool created_ = false;
};

}  // namespace brevdue::queue
