// The file behind an LMDB environment: whether a transaction fits, and growth ahead of it.
//
// LMDB takes freed pages where it finds enough neighbours, and else pages behind its end. Which it
// will be cannot be known before, so a transaction is admitted only if the worst case fits: into
// blocks that exist, or into space of the disk or map that is not kept for other things. A part is
// always kept for settlements and discards.
//
// Growth is zeros that a thread of its own writes behind what LMDB uses. A transaction that could
// come near them waits until they are written: they would wipe out its pages.
#include <algorithm>
#include <cstring>

#include <sys/statvfs.h>
#include <unistd.h>

#include "backends/lmdb/lmdb_environment.h"

namespace brevdue::backends {

namespace {
// Of a growth step: what is written ahead, and synced, in one go.
constexpr std::uint64_t parts_of_step = 8;
// Between the worst case of a transaction and zeros that are being written.
constexpr std::uint64_t clearance = 1u << 20;
constexpr std::uint64_t settlements_max = 4u << 20;
// Pages of the trees that a transaction rewrites: for itself, and for each mutation.
constexpr std::uint64_t pages_of_transaction = 32;
constexpr std::uint64_t pages_of_mutation = 4;

std::uint64_t difference(std::uint64_t from, std::uint64_t less) {
  return from > less ? from - less : 0;
}
}  // namespace

LmdbEnvironment::Space LmdbEnvironment::space() const {
  MDB_envinfo info{};
  struct statvfs found{};
  if (mdb_env_info(environment_, &info) != 0 || ::fstatvfs(file_.get(), &found) != 0) return {};
  Space space{};
  space.end = (std::uint64_t{info.me_last_pgno} + 1) * page_size_;
  space.map = difference(options_.map_size, space.end);
  space.written = difference(written_, space.end);
  space.disk = std::uint64_t{found.f_bavail} * found.f_frsize;
  space.growable = difference(space.disk, options_.reserve);
  return space;
}

std::uint64_t LmdbEnvironment::kept_for_settlements() const {
  return std::min(settlements_max, options_.map_size / 8);
}

std::uint64_t LmdbEnvironment::worst_case(const Demand& demand) const {
  const std::uint64_t trees = pages_of_transaction + pages_of_mutation * demand.mutations;
  return demand.content + trees * page_size_;
}

// Half of the freed pages is kept back: a value wants neighbouring pages. What does not find them
// goes behind the end, which never comes back, so as less is left there more must be free: first
// the worst case fits with a part of what is kept, then the disk alone has it (a full map ends a
// transaction cleanly, a full disk does not), and at last, with a queue that is nearly empty, only
// the freed pages can ever take LMDB out of a full disk.
bool LmdbEnvironment::fits_in_freed_pages(const Space& space, std::uint64_t needed) const {
  const std::uint64_t freed = free_pages() * page_size_;
  const std::uint64_t on_disk = space.written + space.disk;
  const std::uint64_t behind = std::min(space.map, on_disk);
  const std::uint64_t kept = kept_for_settlements();
  if (freed / 2 >= needed && needed + kept / 2 <= behind) return true;
  if (freed / 8 < needed || behind < kept / 4) return false;
  return freed >= space.end / 4 * 3 || (freed >= space.end / 2 && needed + kept / 4 <= on_disk);
}

Result<void> LmdbEnvironment::admit(const Demand& demand) {
  const Space found = space();
  const std::uint64_t needed = worst_case(demand);
  if (demand.content == 0) return lengthen(found.end + needed);
  if (options_.reserve == UINT64_MAX) return fail(ErrorCode::storage_full, "lmdb");
  const std::uint64_t behind = std::min(found.map, found.written + found.growable);
  if (needed + kept_for_settlements() <= behind) {
    auto grown = grow(found, needed + kept_for_settlements());
    if (grown || grown.error().code != ErrorCode::storage_full) return grown;
  }
  if (!fits_in_freed_pages(found, needed)) return fail(ErrorCode::storage_full, "lmdb");
  return lengthen(found.end + needed);
}

Result<void> LmdbEnvironment::admit_compaction(const Demand& demand) {
  if (auto admitted = admit(demand); admitted || admitted.error().code != ErrorCode::storage_full) {
    return admitted;
  }
  const Space found = space();
  const std::uint64_t needed = worst_case(demand);
  const std::uint64_t behind = std::min(found.map, found.written + found.disk);
  // A map that turns out to be full ends the transaction cleanly, so there hope is enough.
  const bool hopeful = found.disk >= needed && free_pages() * page_size_ / 4 >= needed;
  if (needed + kept_for_settlements() / 4 > behind && !hopeful) {
    return fail(ErrorCode::storage_full, "lmdb");
  }
  return lengthen(found.end + needed);
}

// Writes zeros so that `needed` bytes behind the end of what LMDB uses exist.
Result<void> LmdbEnvironment::grow(const Space& space, std::uint64_t needed) {
  if (needed <= space.written) return keep_clear(space.end + needed);
  if (zeros_.part()) {
    if (auto done = take_growth(); !done) return done;
    return grow(this->space(), needed);
  }
  // Never below what LMDB uses: it may have grown the file itself, for a settlement.
  const std::uint64_t start = std::max(written_, space.end);
  const std::uint64_t step =
      ((space.end + needed) / options_.growth_step + 1) * options_.growth_step;
  const std::uint64_t wanted = std::min({step, options_.map_size, start + space.growable});
  const std::uint64_t target = wanted / page_size_ * page_size_;
  if (auto end = zero_file_.write({start, target}); !end) {
    // Space that others took meanwhile; what was written of it is given back.
    if (::ftruncate(file_.get(), static_cast<off_t>(std::max(size_, start))) != 0) {
      return fail(ErrorCode::io_failure, "lmdb: undo the growth of the file");
    }
    return propagate(std::move(end.error()));
  }
  size_ = std::max(size_, target);
  if (auto done = zero_file_.sync(); !done) return done;
  written_ = std::max(written_, target);
  return {};
}

Result<void> LmdbEnvironment::grow_ahead() {
  if (zeros_.part()) return zeros_.finished() ? take_growth() : Result<void>();
  const Space found = space();
  const std::uint64_t start = std::max(written_, found.end);
  const std::uint64_t part =
      std::max(options_.growth_step / parts_of_step / page_size_ * page_size_, page_size_);
  // From half a step on until a whole one is ahead: what is written in one go needs few syncs.
  const std::uint64_t enough = growing_ ? options_.growth_step : options_.growth_step / 2;
  const bool possible = found.growable > options_.growth_step && start + part <= options_.map_size;
  growing_ = start - found.end < enough && possible;
  if (growing_) zeros_.begin({start, start + part});
  return {};
}

// A write that failed is only met again by a transaction that needs the room.
Result<void> LmdbEnvironment::take_growth() {
  const std::uint64_t target = zeros_.part()->to;
  if (!zeros_.take()) return {};
  size_ = std::max(size_, target);
  if (auto done = zero_file_.sync(); !done) return done;
  written_ = target;
  return {};
}

Result<void> LmdbEnvironment::keep_clear(std::uint64_t end) {
  if (!zeros_.part() || end + clearance <= zeros_.part()->from) return {};
  return take_growth();
}

// A file that is longer than what LMDB uses at every moment can be told from one that was cut.
Result<void> LmdbEnvironment::lengthen(std::uint64_t size) {
  size = std::min(size, options_.map_size);
  if (auto clear = keep_clear(size); !clear) return clear;
  if (size <= size_) return {};
  if (::ftruncate(file_.get(), static_cast<off_t>(size)) != 0) {
    return fail(ErrorCode::io_failure, "lmdb: lengthen the file");
  }
  size_ = size;
  return {};
}

// Those that the next write transaction could use.
std::uint64_t LmdbEnvironment::free_pages() const {
  MDB_envinfo info{};
  auto transaction = begin_read();
  if (!transaction || mdb_env_info(environment_, &info) != 0) return 0;
  const std::uint64_t usable_below = std::min<std::uint64_t>(info.me_last_txnid, pinned_from_);
  constexpr MDB_dbi free_database = 0;
  MDB_cursor* raw = nullptr;
  if (mdb_cursor_open(transaction->get(), free_database, &raw) != 0) return 0;
  const Cursor cursor(raw);
  std::uint64_t pages = 0;
  MDB_val key;
  MDB_val value;
  // Key: the transaction that freed them. Value: their number, then the pages.
  while (mdb_cursor_get(cursor.get(), &key, &value, MDB_NEXT) == 0) {
    std::size_t freed_by = 0;
    std::size_t count = 0;
    if (key.mv_size != sizeof freed_by || value.mv_size < sizeof count) continue;
    std::memcpy(&freed_by, key.mv_data, sizeof freed_by);
    std::memcpy(&count, value.mv_data, sizeof count);
    if (freed_by < usable_below) pages += count;
  }
  return pages;
}

std::uint64_t LmdbEnvironment::room() const {
  if (options_.reserve == UINT64_MAX || options_.read_only) return 0;
  const Space found = space();
  const std::uint64_t behind = std::min(found.map, found.written + found.growable);
  const std::uint64_t room = difference(behind, kept_for_settlements());
  // Freed pages matter only when little else is left, and counting them is a walk.
  return room < 4 * options_.growth_step ? room + free_pages() * page_size_ / 2 : room;
}

}  // namespace brevdue::backends
