#include "tests/powerloss/mounted_image.h"

#include <cerrno>
#include <chrono>
#include <thread>

#include <fcntl.h>
#include <linux/loop.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#include "core/unique_fd.h"

namespace brevdue::powerloss {

namespace {
struct Loop {
  UniqueFd fd;
  std::string path;
};

// Another process may take the free device first; then the next one is tried.
Result<Loop> attach(const std::string& image) {
  const UniqueFd control(::open("/dev/loop-control", O_RDWR | O_CLOEXEC));
  if (!control) return fail_os(errno, "/dev/loop-control");
  const UniqueFd file(::open(image.c_str(), O_RDWR | O_CLOEXEC));
  if (!file) return fail_os(errno, image);
  loop_config config{};
  config.fd = static_cast<std::uint32_t>(file.get());
  config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
  for (int attempt = 0; attempt < 100; ++attempt) {
    const int number = ::ioctl(control.get(), LOOP_CTL_GET_FREE);
    if (number < 0) return fail_os(errno, "free loop device");
    Loop loop{UniqueFd(), "/dev/loop" + std::to_string(number)};
    loop.fd.reset(::open(loop.path.c_str(), O_RDWR | O_CLOEXEC));
    if (!loop.fd) return fail_os(errno, loop.path);
    if (::ioctl(loop.fd.get(), LOOP_CONFIGURE, &config) == 0) return loop;
    if (errno != EBUSY) return fail_os(errno, "attach " + image + " to " + loop.path);
  }
  return fail(ErrorCode::busy, "no loop device stays free");
}
}  // namespace

Result<void> hide_mounts() {
  if (::unshare(CLONE_NEWNS) != 0) return fail_os(errno, "mounts of our own");
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return fail_os(errno, "mounts of our own");
  }
  return {};
}

Result<MountedImage> MountedImage::mount(const std::string& image, const std::string& file_system,
                                         const std::string& where) {
  auto loop = attach(image);
  if (!loop) return propagate(std::move(loop.error()));
  // Every image of a record has the same UUID.
  const char* options = file_system == "xfs" ? "nouuid" : "";
  if (::mount(loop->path.c_str(), where.c_str(), file_system.c_str(), MS_NOATIME, options) != 0) {
    return fail_os(errno, "mount " + image + " as " + file_system);
  }
  return MountedImage(where);
}

Result<void> MountedImage::unmount() {
  for (int attempt = 0;; ++attempt) {
    if (::umount2(where_.c_str(), 0) == 0) break;
    if (errno != EBUSY || attempt == 200) return fail_os(errno, "unmount " + where_);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  where_.clear();
  return {};
}

MountedImage::~MountedImage() {
  if (!where_.empty()) ::umount2(where_.c_str(), MNT_DETACH);
}

}  // namespace brevdue::powerloss
