// A medium in memory, for tests of what lies above it; a write can be made to fail.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "bench/disk/medium.h"

namespace brevdue::disk {

class MemoryMedium final : public Medium {
 public:
  explicit MemoryMedium(std::size_t size) : bytes_(size) {}

  std::uint64_t size() const override { return bytes_.size(); }
  Result<void> read(std::uint64_t offset, std::span<std::byte> to) override {
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(offset), to.size(), to.begin());
    return {};
  }
  Result<void> write(std::uint64_t offset, std::span<const std::byte> from) override {
    if (failing) return fail_os(*failing, "write to memory");
    std::copy(from.begin(), from.end(), bytes_.begin() + static_cast<std::ptrdiff_t>(offset));
    return {};
  }
  Result<void> sync() override {
    ++syncs;
    return {};
  }

  const std::vector<std::byte>& bytes() const { return bytes_; }
  // The sectors as letters, one each, for content made by sectors().
  std::string letters() const {
    std::string text;
    for (std::size_t at = 0; at < bytes_.size(); at += sector_size) {
      text.push_back(bytes_[at] == std::byte{0} ? '.' : static_cast<char>(bytes_[at]));
    }
    return text;
  }

  std::optional<int> failing;
  int syncs = 0;

 private:
  std::vector<std::byte> bytes_;
};

// One sector full of each letter; '.' is a sector of zeros.
inline std::vector<std::byte> sectors(std::string_view letters) {
  std::vector<std::byte> bytes;
  for (const char letter : letters) {
    bytes.insert(bytes.end(), sector_size, static_cast<std::byte>(letter == '.' ? 0 : letter));
  }
  return bytes;
}

}  // namespace brevdue::disk
