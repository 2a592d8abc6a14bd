// The part of MirrorSpool that takes sides out and puts them in.
#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "core/uuid.h"
#include "mirror/mirror_spool.h"

namespace brevdue::mirror {

static constexpr std::chrono::seconds detach_patience{10};

Result<std::size_t> MirrorSpool::index_of(const std::string& path) const {
  for (std::size_t i = 0; i < 2; ++i) {
    if (options_.paths[i] == path) return i;
  }
  return fail(ErrorCode::not_found, fmt::format("{} is no side of this mirror; they are {} and {}",
                                                path, options_.paths[0], options_.paths[1]));
}

Result<std::string> MirrorSpool::left_side() const {
  for (const SideStatus& side : status()) {
    if (side.state == SideState::left) return side.path;
  }
  return fail(ErrorCode::not_found, "both sides take part; there is nothing to resync");
}

std::array<SideStatus, 2> MirrorSpool::status() const {
  std::array<SideStatus, 2> found;
  std::array<bool, 2> has_all{};
  MirroredStore::Handle handle;
  {
    const std::lock_guard lock(mutex_);
    handle = handle_;
    for (std::size_t i = 0; i < 2; ++i) {
      has_all[i] = has_everything(i);
      found[i].path = options_.paths[i];
      found[i].epoch = members_[i].record ? members_[i].record->epoch : 0;
      found[i].why = members_[i].why_left;
    }
  }
  for (std::size_t i = 0; i < 2; ++i) {
    found[i].state = handle.state_of(i);
    // While the queue is opened anew there is no store to ask.
    if (handle.is_gone() && has_all[i]) found[i].state = SideState::current;
    found[i].progress = handle.progress_of(i);
    if (found[i].state == SideState::left && !handle.why_left(i).empty()) {
      found[i].why = handle.why_left(i);
    }
  }
  return found;
}

Result<void> MirrorSpool::detach(const std::string& path) {
  const auto index = index_of(path);
  if (!index) return propagate(index.error());
  MirroredStore::Handle handle;
  {
    const std::lock_guard lock(mutex_);
    handle = handle_;
  }
  if (handle.state_of(*index) == SideState::left) {
    return fail(ErrorCode::busy, path + " takes no part as it is");
  }
  if (handle.state_of(1 - *index) != SideState::current) {
    return fail(ErrorCode::busy, fmt::format("{} is the only side that has all mail; attach {} "
                                             "first and wait until it has everything",
                                             path, options_.paths[1 - *index]));
  }
  // What a crash left on one side alone must not go with it.
  if (handle.state_of(*index) == SideState::current && !handle.wait_until_copied(detach_patience)) {
    return fail(ErrorCode::busy,
                fmt::format("{} has messages that are still being copied to {}; try "
                            "again in a moment",
                            path, options_.paths[1 - *index]));
  }
  return handle.leave(*index, "detached by the operator");
}

Result<void> MirrorSpool::check_attachable(std::size_t index, bool is_known) const {
  const std::string& path = options_.paths[index];
  const FoundSide found = inspect(files_, path);
  if (!found.trouble.empty()) {
    return fail(ErrorCode::unavailable, fmt::format("{}: {}", path, found.trouble));
  }
  if (found.record && found.record->set != record_of(1 - index).set) {
    return fail(ErrorCode::invalid_argument,
                path + " belongs to another mirror and would be written over; empty it first");
  }
  if (found.holds_mail) {
    return fail(ErrorCode::invalid_argument,
                path + " holds mail of a spool that is no mirror; empty it first");
  }
  if (is_known && !found.record) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("{0} holds no spool; mount its disk, or, if the disk is new, say "
                            "`brevdue queue mirror attach {0}`",
                            path));
  }
  return {};
}

// From here on it may not be taken for whole, whatever happens.
Result<void> MirrorSpool::note_incomplete(std::size_t index) {
  const std::lock_guard one_at_a_time(noting_);
  auto found =
      read_side_record(files_, members_[index].side->directory.get(), options_.paths[index]);
  if (!found) return propagate(std::move(found.error()));
  SideRecord other = record_of(1 - index);
  const std::string self = *found ? (*found)->self : random_uuid();
  if (!other.partner_is_stale || other.partner != self) {
    other.partner = self;
    other.partner_is_stale = true;
    if (auto done = write_record(1 - index, other); !done) return done;
  }
  return write_record(index, {.set = other.set,
                              .self = self,
                              .partner = other.self,
                              .epoch = other.epoch,
                              .self_is_incomplete = true});
}

// What is in quarantine stays: somebody may want to look at it.
Result<void> MirrorSpool::empty(std::size_t index) {
  for (const std::string& name : {options_.backend, std::string("staged")}) {
    const std::filesystem::path directory = options_.paths[index] + "/" + name;
    std::error_code error;
    std::vector<std::filesystem::path> inside;
    for (std::filesystem::directory_iterator at(directory, error), end; !error && at != end;
         at.increment(error)) {
      inside.push_back(at->path());
    }
    for (const auto& path : inside) {
      if (!error) std::filesystem::remove_all(path, error);
    }
    if (error) return fail_os(error.value(), "empty " + directory.string());
  }
  return {};
}

Result<void> MirrorSpool::put_in(std::size_t index, const MirroredStore::Handle& handle) {
  if (auto locked = lock_side(index); !locked) return locked;
  if (auto noted = note_incomplete(index); !noted) return noted;
  if (auto emptied = empty(index); !emptied) return emptied;
  auto store = options_.make_store(options_.paths[index]);
  if (!store) return propagate(std::move(store.error()));
  if (auto started = (*store)->start(); !started) return started;
  MirrorSide joining = part(index, std::move(*store));
  joining.is_behind = true;
  return handle.join(index, std::move(joining));
}

Result<void> MirrorSpool::attach(const std::string& path, bool is_known) {
  const std::lock_guard one_at_a_time(attaching_);
  const auto index = index_of(path);
  if (!index) return propagate(index.error());
  MirroredStore::Handle handle;
  bool is_closing = false;
  {
    const std::lock_guard lock(mutex_);
    handle = handle_;
    is_closing = *members_[*index].is_closing;
  }
  if (handle.state_of(*index) != SideState::left) {
    return fail(ErrorCode::busy, path + " takes part already");
  }
  if (!handle.may_join(*index) || is_closing) {
    return fail(ErrorCode::busy, handle.is_gone()
                                     ? "the queue is being opened anew; try again in a moment"
                                     : path + ": its disk has yet to answer what was asked of it");
  }
  if (auto good = check_attachable(*index, is_known); !good) return good;
  auto done = put_in(*index, handle);
  if (!done) {
    let_go(*index);
    const std::lock_guard lock(mutex_);
    members_[*index].why_left = describe(done.error());
    return done;
  }
  options_.store.notice(Notice::news, fmt::format("mirror: {} is written anew from {}", path,
                                                  options_.paths[1 - *index]));
  return {};
}

// One that was stale when the mirror started, or on its way when the store failed.
void MirrorSpool::attach_stale() {
  for (std::size_t i = 0; i < 2; ++i) {
    {
      const std::lock_guard lock(mutex_);
      const bool was_behind = members_[i].record && members_[i].record->self_is_incomplete;
      if (stale_at_start_ != i && !was_behind) continue;
      if (stale_at_start_ == i) stale_at_start_.reset();
    }
    if (auto done = attach(options_.paths[i], true); !done) {
      options_.store.notice(Notice::trouble,
                            fmt::format("mirror: {} cannot be written anew: {}", options_.paths[i],
                                        describe(done.error())));
    }
  }
}

static Result<queue::SpoolDirectory> lock_stopped(FileSystem& files,
                                                  const MirrorSpoolOptions& options,
                                                  const std::string& path) {
  queue::SpoolOptions asked;
  asked.path = path;
  asked.backend = options.backend;
  asked.backend_version = options.backend_version;
  asked.side_of_mirror = true;
  asked.read_only = true;
  return queue::SpoolDirectory::open(files, asked);
}

Result<void> declare_whole(FileSystem& files, const MirrorSpoolOptions& options,
                           const std::string& path) {
  const auto at = std::ranges::find(options.paths, path);
  if (at == options.paths.end()) {
    return fail(ErrorCode::not_found,
                fmt::format("{} is no side of this mirror; they are {} and {}", path,
                            options.paths[0], options.paths[1]));
  }
  const auto spool = lock_stopped(files, options, path);
  if (!spool) return propagate(spool.error());
  auto found = read_side_record(files, spool->fd(), path);
  if (!found) return propagate(std::move(found.error()));
  SideRecord record = found->value_or(
      SideRecord{.set = random_uuid(), .self = random_uuid(), .partner = random_uuid()});
  if (record.self_is_incomplete) {
    return fail(ErrorCode::invalid_argument,
                path + " was being written anew when it stopped and has only a part of the mail");
  }
  record.partner_is_stale = true;
  ++record.epoch;
  if (auto done = write_side_record(files, spool->fd(), record); !done) {
    return propagate(std::move(done.error()), path);
  }
  // The other one may say the same of this one: now it is the one that is written anew.
  const std::string& other_path = options.paths[at == options.paths.begin() ? 1 : 0];
  FoundSide other = inspect(files, other_path);
  if (!other.record || other.record->set != record.set || !other.record->partner_is_stale)
    return {};
  const auto other_spool = lock_stopped(files, options, other_path);
  if (!other_spool) return propagate(other_spool.error());
  other.record->self_is_incomplete = true;
  return write_side_record(files, other_spool->fd(), *other.record);
}

}  // namespace brevdue::mirror
