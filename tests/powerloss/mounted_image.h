// An image file mounted through a loop device, until destroyed.
//
// hide_mounts() first: mounts are then this process's own and end with it, however it ends, and so
// do the loop devices, which detach themselves. Needs root. Not thread-safe.
#pragma once

#include <string>
#include <utility>

#include "core/error.h"

namespace brevdue::powerloss {

Result<void> hide_mounts();

class MountedImage {
 public:
  static Result<MountedImage> mount(const std::string& image, const std::string& file_system,
                                    const std::string& where);
  MountedImage(MountedImage&& other) noexcept : where_(std::exchange(other.where_, {})) {}
  MountedImage& operator=(MountedImage&&) = delete;
  ~MountedImage();

  // A file system that cannot be unmounted is an error, which a destructor could not report.
  Result<void> unmount();

 private:
  explicit MountedImage(std::string where) : where_(std::move(where)) {}

  std::string where_;  // empty: not mounted
};

}  // namespace brevdue::powerloss
