#include "queue/staged_file.h"

#include <algorithm>
#include <future>
#include <utility>

#include <fcntl.h>

#include "core/crc32c.h"

namespace brevdue::queue {

namespace {
constexpr std::size_t copied_at_once = 256u << 10;

Result<void> check_space(FileSystem& files, const SpoolSide& side, std::uint64_t kept_free,
                         std::size_t wanted) {
  if (kept_free == 0) return {};
  auto space = files.free_space(side.staged.get());
  if (!space) return propagate(std::move(space.error()));
  if (space->bytes >= kept_free + wanted) return {};
  return fail(ErrorCode::storage_full, "what is free is kept for results of deliveries");
}

// Of the file, not of the disk that it is on.
bool is_no_fault(ErrorCode code) {
  return code == ErrorCode::storage_full || code == ErrorCode::already_exists ||
         code == ErrorCode::permission || code == ErrorCode::unsupported;
}
}  // namespace

StagedFile::StagedFile(FileSystem& files, SpoolSides& sides, mail::QueueId id,
                       std::atomic<bool>& unnamed_files)
    : files_(files), sides_(sides), id_(id), unnamed_files_(unnamed_files) {}

StagedFile::~StagedFile() {
  if (sealed_) return;
  for (Part& part : parts_) remove(part);
}

void StagedFile::remove(Part& part) {
  if (part.named) static_cast<void>(files_.unlink(part.side->staged.get(), id_.text()));
  if (part.temporary_name.empty()) return;
  static_cast<void>(files_.unlink(part.side->staged.get(), part.temporary_name));
}

bool StagedFile::has_part_on(const SpoolSidePtr& side) const {
  return std::ranges::any_of(parts_, [&](const Part& part) { return part.side == side; });
}

// Where there are two, both at once.
Result<void> StagedFile::on_each_part(const Step& step) {
  std::vector<Result<void>> results(parts_.size());
  {
    std::vector<std::future<void>> others;
    for (std::size_t i = 1; i < parts_.size(); ++i) {
      others.push_back(std::async(std::launch::async, [&, i] { results[i] = step(parts_[i]); }));
    }
    if (!parts_.empty()) results[0] = step(parts_[0]);
    for (auto& other : others) other.get();
  }
  for (std::size_t i = parts_.size(); i-- > 0;) {
    if (results[i]) continue;
    Error error = std::move(results[i].error());
    if (is_no_fault(error.code)) return std::unexpected(std::move(error));
    if (auto left = sides_.give_up(parts_[i].side, error); !left) return left;
    remove(parts_[i]);
    parts_.erase(parts_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  if (parts_.empty()) return fail(ErrorCode::io_failure, "no side of the spool is left");
  return {};
}

Result<void> StagedFile::make(Part& part) {
  const int staged = part.side->staged.get();
  if (unnamed_files_) {
    auto fd = files_.open(staged, ".", O_RDWR | O_TMPFILE, 0600);
    if (!fd && fd.error().code == ErrorCode::storage_full) return propagate(std::move(fd.error()));
    if (fd) {
      part.fd = std::move(*fd);
      return {};
    }
  }
  std::string name = id_.text() + ".part";
  auto fd = files_.open(staged, name, O_RDWR | O_CREAT | O_EXCL, 0600);
  if (!fd) return propagate(std::move(fd.error()));
  part.fd = std::move(*fd);
  part.temporary_name = std::move(name);
  return {};
}

Result<void> StagedFile::write(const SharedBytes& chunk, std::uint64_t kept_free) {
  if (failed_) return fail(ErrorCode::io_failure, "staged file failed before");
  failed_ = true;
  if (!begun_) {
    for (SpoolSidePtr& side : sides_.taking_part()) parts_.push_back({.side = std::move(side)});
  }
  for (const Part& part : parts_) {
    if (auto space = check_space(files_, *part.side, kept_free, chunk.size()); !space) {
      return propagate(std::move(space.error()), "staging " + id_.text());
    }
  }
  // One after the other: it goes into the page cache.
  for (std::size_t i = 0; i < parts_.size();) {
    Part& part = parts_[i];
    auto done = begun_ ? Result<void>() : make(part);
    if (done) done = write_all(files_, part.fd.get(), chunk.view(), size_);
    if (done) {
      ++i;
      continue;
    }
    if (!is_no_fault(done.error().code)) done = sides_.give_up(part.side, done.error());
    if (!done) return propagate(std::move(done.error()), "staging " + id_.text());
    remove(part);
    parts_.erase(parts_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  if (parts_.empty()) {
    return fail(ErrorCode::io_failure, "staging " + id_.text() + ": no side of the spool is left");
  }
  begun_ = true;
  size_ += chunk.size();
  crc_ = crc32c(chunk.view(), crc_);
  failed_ = false;
  return {};
}

Result<void> StagedFile::give_name(Part& part) {
  const int staged = part.side->staged.get();
  const std::string name = id_.text();
  if (part.temporary_name.empty()) {
    auto linked = files_.link(part.fd.get(), staged, name);
    part.named = linked.has_value();
    if (linked || linked.error().code == ErrorCode::already_exists) return linked;
    // Where an unnamed file cannot be linked, the next ones have a name from the start.
    unnamed_files_ = false;
    return linked;
  }
  // A rename would take the place of a queued message's content.
  const auto taken = files_.open(staged, name, O_RDONLY, 0);
  if (taken) return fail(ErrorCode::already_exists, name);
  if (taken.error().code != ErrorCode::not_found) return propagate(taken.error());
  auto renamed = files_.rename(staged, part.temporary_name, staged, name);
  if (!renamed) return renamed;
  part.temporary_name.clear();
  part.named = true;
  return {};
}

Result<void> StagedFile::complete(Part& part) {
  if (part.named) return {};
  if (auto done = files_.sync(part.fd.get()); !done) return done;
  if (auto done = give_name(part); !done) return done;
  return files_.sync(part.side->staged.get());
}

Result<void> StagedFile::copy_into(Part& part) {
  if (auto made = make(part); !made) return made;
  const std::size_t piece = std::min<std::uint64_t>(copied_at_once, size_);
  std::vector<char> buffer(piece);
  for (std::uint64_t at = 0; at < size_;) {
    auto size = read_all(files_, parts_.front().fd.get(), buffer.data(), buffer.size(), at);
    if (!size) return propagate(std::move(size.error()));
    if (*size == 0) return fail(ErrorCode::io_failure, id_.text() + " is shorter than it was");
    auto done = write_all(files_, part.fd.get(), std::string_view(buffer.data(), *size), at);
    if (!done) return done;
    at += *size;
  }
  return {};
}

// A side that came to take part while the file was written has nothing of it.
Result<void> StagedFile::add_missing_parts() {
  for (const SpoolSidePtr& side : sides_.taking_part()) {
    if (has_part_on(side)) continue;
    Part part{.side = side};
    auto done = copy_into(part);
    if (!done && !is_no_fault(done.error().code)) {
      if (auto left = sides_.give_up(side, done.error()); !left) return left;
      remove(part);
      continue;
    }
    parts_.push_back(std::move(part));
    if (!done) return done;
  }
  return {};
}

void StagedFile::drop_parts_of_the_left() {
  const auto current = sides_.taking_part();
  std::erase_if(parts_, [&](Part& part) {
    if (std::ranges::find(current, part.side) != current.end()) return false;
    remove(part);
    return true;
  });
}

Result<void> StagedFile::seal(const mail::ContentFacts& expected) {
  const std::string name = id_.text();
  if (failed_ || !begun_) return fail(ErrorCode::io_failure, "staging " + name);
  failed_ = true;
  if (size_ != expected.size || crc_ != expected.crc32c) {
    return fail(ErrorCode::corrupt, "staging " + name + ": content is not what smtpd announced");
  }
  if (auto done = add_missing_parts(); !done) {
    return propagate(std::move(done.error()), "staging " + name);
  }
  if (auto done = on_each_part([this](Part& part) { return complete(part); }); !done) {
    return propagate(std::move(done.error()), "staging " + name);
  }
  drop_parts_of_the_left();
  if (parts_.empty()) return fail(ErrorCode::io_failure, "staging " + name + ": its side was left");
  sealed_ = true;
  return {};
}

}  // namespace brevdue::queue
