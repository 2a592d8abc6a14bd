#include "mirror/mirror_spool.h"

#include <algorithm>
#include <filesystem>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>

#include "core/uuid.h"
#include "queue/id_floor.h"

namespace brevdue::mirror {

using queue::SpoolDirectory;
using queue::SpoolSidePtr;

FoundSide inspect(FileSystem& files, const std::string& path) {
  FoundSide found{.path = path, .trouble = {}, .record = {}};
  const auto directory = files.open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
  if (!directory) {
    const std::string parent = std::filesystem::path(path).parent_path();
    const bool may_be_made = directory.error().code == ErrorCode::not_found &&
                             files.open(AT_FDCWD, parent, O_RDONLY | O_DIRECTORY, 0).has_value();
    if (!may_be_made) found.trouble = describe(directory.error());
    return found;
  }
  auto record = read_side_record(files, directory->get(), path);
  if (!record) {
    found.trouble = describe(record.error());
    return found;
  }
  found.record = std::move(*record);
  const auto format = files.open(directory->get(), "FORMAT", O_RDONLY, 0);
  if (format) found.holds_mail = !found.record.has_value();
  if (!format && format.error().code != ErrorCode::not_found) {
    found.trouble = describe(format.error());
  }
  return found;
}

Result<std::shared_ptr<MirrorSpool>> MirrorSpool::open(FileSystem& files,
                                                       MirrorSpoolOptions options) {
  std::shared_ptr<MirrorSpool> spool(new MirrorSpool(files, std::move(options)));
  if (auto done = spool->begin(); !done) return propagate(std::move(done.error()));
  spool->worker_ = std::make_unique<queue::Worker>();
  return spool;
}

MirrorSpool::~MirrorSpool() {
  worker_.reset();
}

Result<void> MirrorSpool::begin() {
  std::array<FoundSide, 2> found;
  for (std::size_t i = 0; i < 2; ++i) found[i] = inspect(files_, options_.paths[i]);
  auto plan = plan_start(found);
  if (!plan) return propagate(std::move(plan.error()));
  for (std::size_t i = 0; i < 2; ++i) {
    members_[i].record = found[i].record;
    if (plan->sides[i] == Standing::absent) {
      members_[i].why_left = found[i].trouble.empty() ? "it holds no spool" : found[i].trouble;
    }
    if (plan->sides[i] == Standing::stale) stale_at_start_ = i;
    if (plan->sides[i] != Standing::current) continue;
    if (auto locked = lock_side(i); !locked) return locked;
  }
  if (plan->is_new) return found_new();
  for (std::size_t i = 0; i < 2; ++i) {
    if (plan->sides[i] != Standing::current) continue;
    auto record = read_side_record(files_, members_[i].side->directory.get(), options_.paths[i]);
    if (!record) return propagate(std::move(record.error()));
    if (*record == members_[i].record) continue;
    return fail(ErrorCode::busy, options_.paths[i] + " is being changed by another process");
  }
  return {};
}

Result<void> MirrorSpool::lock_side(std::size_t index) {
  queue::SpoolOptions options;
  options.path = options_.paths[index];
  options.backend = options_.backend;
  options.backend_version = options_.backend_version;
  options.side_of_mirror = true;
  auto directory = SpoolDirectory::open(files_, options);
  if (!directory) return propagate(std::move(directory.error()));
  auto side = queue::open_spool_side(files_, options.path);
  if (!side) return propagate(std::move(side.error()));
  const std::lock_guard lock(mutex_);
  members_[index].lock = std::move(*directory);
  members_[index].side = std::move(*side);
  members_[index].why_left.clear();
  return {};
}

// Until both have their record, the first says that it has everything.
Result<void> MirrorSpool::found_new() {
  SideRecord a{.set = random_uuid(), .self = random_uuid(), .partner = random_uuid(), .epoch = 1};
  const SideRecord b{.set = a.set, .self = a.partner, .partner = a.self, .epoch = 1};
  a.partner_is_stale = true;
  if (auto done = write_record(0, a); !done) return done;
  if (auto done = write_record(1, b); !done) return done;
  a.partner_is_stale = false;
  return write_record(0, a);
}

Result<void> MirrorSpool::write_record(std::size_t index, const SideRecord& record) {
  SpoolSidePtr side;
  {
    const std::lock_guard lock(mutex_);
    side = members_[index].side;
  }
  if (side == nullptr) return fail(ErrorCode::unavailable, options_.paths[index] + " was left");
  if (auto done = write_side_record(files_, side->directory.get(), record); !done) {
    return propagate(std::move(done.error()), side->path);
  }
  const std::lock_guard lock(mutex_);
  members_[index].record = record;
  return {};
}

SideRecord MirrorSpool::record_of(std::size_t index) const {
  const std::lock_guard lock(mutex_);
  return members_[index].record.value_or(SideRecord());
}

bool MirrorSpool::has_everything(std::size_t index) const {
  const Member& member = members_[index];
  const Member& other = members_[1 - index];
  if (member.side == nullptr || !member.record || member.record->self_is_incomplete) return false;
  return !other.record || !other.record->partner_is_stale || other.record->self_is_incomplete;
}

MirrorSide MirrorSpool::part(std::size_t index, std::unique_ptr<queue::Store> store) {
  const auto self = weak_from_this();
  const auto alive = [self, index](auto call) {
    return [self, index, call]() -> Result<void> {
      const auto spool = self.lock();
      if (spool == nullptr) return fail(ErrorCode::cancelled, "mirror");
      return (*spool.*call)(index);
    };
  };
  MirrorSide side{.name = options_.paths[index],
                  .store = std::move(store),
                  .note_partner_stale = alive(&MirrorSpool::note_partner_stale)};
  side.note_whole = alive(&MirrorSpool::note_whole);
  side.copy_beside = [self, index](const queue::CopyPace& pace) -> Result<void> {
    const auto spool = self.lock();
    if (spool == nullptr) return fail(ErrorCode::cancelled, "mirror");
    return spool->copy_beside(index, pace);
  };
  return side;
}

Result<std::unique_ptr<queue::Store>> MirrorSpool::make_store() {
  std::array<MirrorSide, 2> sides;
  bool any = false;
  for (std::size_t i = 0; i < 2; ++i) {
    bool counts = false;
    {
      const std::lock_guard lock(mutex_);
      counts = has_everything(i);
    }
    std::unique_ptr<queue::Store> store;
    if (counts) {
      auto made = options_.make_store(options_.paths[i]);
      if (!made) return propagate(std::move(made.error()));
      store = std::move(*made);
      any = true;
    }
    sides[i] = part(i, std::move(store));
  }
  if (!any) return fail(ErrorCode::unavailable, "no side of the mirror has everything");
  MirrorOptions options = options_.store;
  options.started = [self = weak_from_this()] {
    const auto spool = self.lock();
    if (spool == nullptr) return;
    spool->worker_->push([&spool = *spool] { spool.attach_stale(); });
  };
  auto store = std::make_unique<MirroredStore>(std::move(sides), std::move(options));
  const std::lock_guard lock(mutex_);
  handle_ = store->handle();
  return store;
}

std::vector<SpoolSidePtr> MirrorSpool::taking_part() const {
  std::vector<SpoolSidePtr> sides;
  std::vector<SpoolSidePtr> behind;
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < 2; ++i) {
    if (members_[i].side == nullptr) continue;
    const SideState state = handle_.is_gone()
                                ? (has_everything(i) ? SideState::current : SideState::left)
                                : handle_.state_of(i);
    if (state == SideState::current) sides.push_back(members_[i].side);
    if (state == SideState::behind) behind.push_back(members_[i].side);
  }
  sides.insert(sides.end(), behind.begin(), behind.end());
  return sides;
}

Result<void> MirrorSpool::give_up(const SpoolSidePtr& side, const Error& why) {
  MirroredStore::Handle handle;
  std::optional<std::size_t> index;
  {
    const std::lock_guard lock(mutex_);
    handle = handle_;
    for (std::size_t i = 0; i < 2; ++i) {
      if (members_[i].side == side) index = i;
    }
  }
  if (!index) return {};
  if (!handle.is_gone()) return handle.leave(*index, describe(why));
  // Before there is a store, the other side notes it here.
  const auto others = taking_part();
  if (std::ranges::none_of(others, [&](const auto& other) { return other != side; })) {
    return std::unexpected(why);
  }
  options_.store.notice(
      Notice::trouble,
      fmt::format("mirror: {} is left: {}; mail goes on with {} alone", options_.paths[*index],
                  describe(why), options_.paths[1 - *index]));
  return note_partner_stale(1 - *index);
}

Result<void> MirrorSpool::note_partner_stale(std::size_t index) {
  const std::lock_guard one_at_a_time(noting_);
  SideRecord record = record_of(index);
  record.partner_is_stale = true;
  ++record.epoch;
  if (auto done = write_record(index, record); !done) return done;
  let_go(1 - index);
  return {};
}

// Nothing may hold a disk that was left, or it could not be unmounted. Closing a file may wait for
// the disk, so that nobody waits for it.
void MirrorSpool::let_go(std::size_t index) {
  const std::lock_guard lock(mutex_);
  Member& member = members_[index];
  if (member.side == nullptr && !member.lock) return;
  *member.is_closing = true;
  std::thread([is_closing = member.is_closing, side = std::exchange(member.side, nullptr),
               held = std::exchange(member.lock, std::nullopt)]() mutable {
    side.reset();
    held.reset();
    *is_closing = false;
  }).detach();
}

Result<void> MirrorSpool::note_whole(std::size_t index) {
  const std::lock_guard one_at_a_time(noting_);
  SideRecord other = record_of(1 - index);
  SideRecord whole = record_of(index);
  whole.self_is_incomplete = false;
  whole.epoch = ++other.epoch;
  if (auto done = write_record(index, whole); !done) return done;
  other.partner = whole.self;
  other.partner_is_stale = false;
  return write_record(1 - index, other);
}

Result<void> MirrorSpool::copy_beside(std::size_t index, const queue::CopyPace& pace) {
  SpoolSidePtr from;
  SpoolSidePtr to;
  {
    const std::lock_guard lock(mutex_);
    from = members_[1 - index].side;
    to = members_[index].side;
  }
  if (from == nullptr || to == nullptr) return fail(ErrorCode::unavailable, "mirror");
  if (auto done = queue::copy_staged(files_, *from, *to, pace); !done) return done;
  const auto nobody_writes = stop_replacing();
  return queue::IdFloor::copy(files_, *from, *to);
}

}  // namespace brevdue::mirror
