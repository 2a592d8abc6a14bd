#include "queue/staged_check.h"

#include <algorithm>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>

#include "core/crc32c.h"

namespace brevdue::queue {

StagedCheck::StagedCheck(FileSystem& files, UniqueFd file, mail::QueueId id,
                         const mail::ContentFacts& expected)
    : files_(files), file_(std::move(file)), id_(id), expected_(expected) {
  ::posix_fadvise(file_.get(), 0, 0, POSIX_FADV_DONTNEED);
}

std::size_t StagedCheck::read(std::size_t size) {
  // One byte more than there should be tells of a file that is too long.
  const std::uint64_t left = expected_.size + 1 - std::min(expected_.size + 1, offset_);
  size = std::min<std::uint64_t>(size, left);
  if (size == 0 || error_) return 0;
  piece_.resize(std::max(piece_.size(), size));
  auto got = read_all(files_, file_.get(), piece_.data(), size, offset_);
  if (!got) {
    error_ = std::move(got.error());
    return 0;
  }
  crc_ = crc32c(std::string_view(piece_.data(), *got), crc_);
  offset_ += *got;
  return *got;
}

std::optional<Damage> StagedCheck::damage() const {
  const std::string where = "staged/" + id_.text();
  if (error_) {
    return Damage{Damage::Part::content, fmt::format("{} at byte {}", where, offset_),
                  describe(*error_)};
  }
  if (offset_ != expected_.size) {
    return Damage{
        Damage::Part::content, where,
        fmt::format("the file has {} bytes where there were {}",
                    offset_ > expected_.size ? "more" : std::to_string(offset_), expected_.size)};
  }
  if (crc_ == expected_.crc32c) return std::nullopt;
  return Damage{Damage::Part::content, where, "its checksum does not hold"};
}

Damage StagedCheck::unreadable(mail::QueueId id, const Error& error) {
  const bool missing = error.code == ErrorCode::not_found;
  return {Damage::Part::content, "staged/" + id.text(),
          missing ? "the file is missing" : describe(error)};
}

}  // namespace brevdue::queue
