// Where bytes finally are: the image file, or memory in tests.
//
// Offsets and lengths are bytes and lie within size(); the caller checks. An error is an
// io_failure (or storage_full) with the errno of the system call. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/error.h"

namespace brevdue::disk {

constexpr std::uint64_t sector_size = 512;

struct ByteRange {
  std::uint64_t offset;
  std::uint64_t length;

  std::uint64_t end() const { return offset + length; }
  bool operator==(const ByteRange&) const = default;
};

class Medium {
 public:
  virtual ~Medium() = default;
  virtual std::uint64_t size() const = 0;
  virtual Result<void> read(std::uint64_t offset, std::span<std::byte> to) = 0;
  virtual Result<void> write(std::uint64_t offset, std::span<const std::byte> from) = 0;
  // Makes what was written durable on the host, for those who want a real flush behind ours.
  virtual Result<void> sync() = 0;
};

}  // namespace brevdue::disk
