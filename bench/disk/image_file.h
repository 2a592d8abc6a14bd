// The image of a disk in an ordinary file, held under an exclusive flock while it is open.
//
// Opening a file that another process serves fails with `busy`. The size is a multiple of 512
// bytes. Not thread-safe.
#pragma once

#include <string>

#include "bench/disk/medium.h"
#include "core/unique_fd.h"

namespace brevdue::disk {

class ImageFile final : public Medium {
 public:
  // Opens what is there; the file's length, rounded down to a sector, is the size of the disk.
  static Result<ImageFile> open(const std::string& path);
  // Makes a file of zeros: sparse, or with every block written so that no later write allocates.
  // A file that is there is replaced.
  static Result<ImageFile> create(const std::string& path, std::uint64_t size, bool sparse);

  std::uint64_t size() const override { return size_; }
  Result<void> read(std::uint64_t offset, std::span<std::byte> to) override;
  Result<void> write(std::uint64_t offset, std::span<const std::byte> from) override;
  Result<void> sync() override;
  int fd() const { return fd_.get(); }

  // Makes `copy` a file of the same size and content; holes stay holes.
  Result<void> copy_to(const std::string& copy) const;

 private:
  ImageFile(UniqueFd fd, std::uint64_t size, std::string path)
      : fd_(std::move(fd)), size_(size), path_(std::move(path)) {}
  static Result<UniqueFd> open_locked(const std::string& path, int flags);
  static Result<UniqueFd> create_locked(const std::string& path);
  Result<void> copy_extent(int to, ByteRange extent, const std::string& copy) const;

  UniqueFd fd_;
  std::uint64_t size_;
  std::string path_;
};

}  // namespace brevdue::disk
