// A file system on a disk of our own, made and removed by bench/disk/with-disk, for one test.
//
// prepare() says why the test must be skipped, or nothing. Everything else throws
// std::runtime_error with what the tool said, which fails the test.
#pragma once

#include <optional>
#include <string>

#include "tests/support/temporary_directory.h"

namespace brevdue::disk {

struct Outcome {
  int status;
  std::string output;  // Standard output and error.
};
Outcome run(const std::string& command);

class MountedDisk {
 public:
  MountedDisk() = default;
  MountedDisk(const MountedDisk&) = delete;
  MountedDisk& operator=(const MountedDisk&) = delete;
  ~MountedDisk();

  static std::optional<std::string> why_not(const std::string& fs);
  void up(const std::string& fs, const std::string& options);
  void cut(const std::string& how);
  void remount();
  std::string control(const std::string& command);

  // A path on the mounted file system.
  std::string path_of(const std::string& name) const { return mount_ + "/" + name; }
  const std::string& mount() const { return mount_; }
  const tests::TemporaryDirectory& directory() const { return directory_; }

 private:
  Outcome with_disk(const std::string& arguments);

  tests::TemporaryDirectory directory_;
  std::string rig_ = directory_.path_of("rig");
  std::string mount_ = rig_ + "/mnt";
};

}  // namespace brevdue::disk
