#include "backends/lmdb/lmdb_environment.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace brevdue::backends {

namespace {
constexpr std::size_t zero_piece = 1u << 20;

#ifdef BREVDUE_MUTANT_LMDB_NO_SYNC
constexpr unsigned sync_flags = MDB_NOSYNC;
#else
constexpr unsigned sync_flags = 0;
#endif
}  // namespace

std::unexpected<Error> fail_lmdb(int code, const std::string& context) {
  if (code > 0) return fail_os(code, "lmdb: " + context);
  const std::string text = "lmdb: " + context + ": " + mdb_strerror(code);
  if (code == MDB_MAP_FULL) return fail(ErrorCode::storage_full, text);
  if (code == MDB_NOTFOUND) return fail(ErrorCode::not_found, text);
  if (code == MDB_KEYEXIST) return fail(ErrorCode::already_exists, text);
  if (code == MDB_VERSION_MISMATCH) return fail(ErrorCode::unsupported, text);
  if (code == MDB_INVALID || code == MDB_CORRUPTED || code == MDB_PAGE_NOTFOUND) {
    return fail(ErrorCode::corrupt, text);
  }
  return fail(ErrorCode::io_failure, text);
}

LmdbEnvironment::~LmdbEnvironment() {
  if (environment_ != nullptr) mdb_env_close(environment_);
}

Result<void> LmdbEnvironment::open(const EnvironmentOptions& options) {
  options_ = options;
  const std::string file = options.path + "/data.mdb";
  if (!options.read_only && ::mkdir(options.path.c_str(), 0700) != 0 && errno != EEXIST) {
    return fail_os(errno, "lmdb: mkdir " + options.path);
  }
  // Past the page cache: after a failed sync it holds what the disk does not.
  if (const UniqueFd cached(::open(file.c_str(), O_RDONLY | O_CLOEXEC)); cached) {
    ::posix_fadvise(cached.get(), 0, 0, POSIX_FADV_DONTNEED);
  }
  if (const int code = mdb_env_create(&environment_); code != 0) return fail_lmdb(code, "create");
  mdb_env_set_maxdbs(environment_, 3);
  if (const int code = mdb_env_set_mapsize(environment_, options.map_size); code != 0) {
    return fail_lmdb(code, "map of " + std::to_string(options.map_size) + " bytes");
  }
  const unsigned flags =
      MDB_NOTLS | MDB_NOMEMINIT | MDB_NORDAHEAD | (options.read_only ? MDB_RDONLY : sync_flags);
  if (const int code = mdb_env_open(environment_, options.path.c_str(), flags, 0600); code != 0) {
    return fail_lmdb(code, "open " + options.path);
  }
  int stale = 0;
  if (const int code = mdb_reader_check(environment_, &stale); code != 0) {
    return fail_lmdb(code, "clear stale readers");
  }
  file_.reset(::open(file.c_str(), (options.read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC));
  struct stat found{};
  if (!file_ || ::fstat(file_.get(), &found) != 0) return fail_os(errno, "lmdb: " + file);
  written_ = static_cast<std::uint64_t>(found.st_size);
  return open_databases();
}

Result<void> LmdbEnvironment::open_databases() {
  MDB_txn* raw = nullptr;
  const unsigned mode = options_.read_only ? MDB_RDONLY : 0u;
  if (const int code = mdb_txn_begin(environment_, nullptr, mode, &raw); code != 0) {
    return fail_lmdb(code, "begin");
  }
  Transaction transaction(raw);
  const unsigned create = options_.read_only ? 0u : static_cast<unsigned>(MDB_CREATE);
  const std::pair<const char*, MDB_dbi*> integer_keyed[] = {{"envelopes", &envelopes},
                                                            {"contents", &contents}};
  for (const auto& [name, database] : integer_keyed) {
    const int code = mdb_dbi_open(raw, name, MDB_INTEGERKEY | create, database);
    if (code != 0) return fail_lmdb(code, std::string("open database ") + name);
  }
  if (const int code = mdb_dbi_open(raw, "settlements", create, &settlements); code != 0) {
    return fail_lmdb(code, "open database settlements");
  }
  MDB_stat statistics{};
  if (mdb_env_stat(environment_, &statistics) == 0) page_size_ = statistics.ms_psize;
  if (auto done = commit(std::move(transaction)); !done || options_.read_only) return done;
  // The names of the two files must be as durable as what is in them.
  const UniqueFd directory(::open(options_.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory || (sync_flags == 0 && ::fsync(directory.get()) != 0)) {
    return fail_os(errno, "lmdb: sync " + options_.path);
  }
  return {};
}

Result<Transaction> LmdbEnvironment::begin_write() {
  MDB_txn* raw = nullptr;
  const int code = mdb_txn_begin(environment_, nullptr, 0, &raw);
  if (code != 0) return fail_lmdb(code, "begin a write transaction");
  return Transaction(raw);
}

Result<Transaction> LmdbEnvironment::begin_read() const {
  MDB_txn* raw = nullptr;
  const int code = mdb_txn_begin(environment_, nullptr, MDB_RDONLY, &raw);
  if (code != 0) return fail_lmdb(code, "begin a read transaction");
  return Transaction(raw);
}

Result<void> LmdbEnvironment::commit(Transaction transaction) {
  const int code = mdb_txn_commit(transaction.release());
  if (code == 0) return {};
  return fail_lmdb(code, "commit");
}

std::uint64_t LmdbEnvironment::used() const {
  MDB_envinfo info{};
  if (mdb_env_info(environment_, &info) != 0) return written_;
  return (std::uint64_t{info.me_last_pgno} + 1) * page_size_;
}

// LMDB grows the file by writing behind its end only when no freed page fits: what is counted here
// as needed may come from freed pages, and the zeros then wait for later.
Result<void> LmdbEnvironment::make_room(std::uint64_t bytes) {
  const std::uint64_t needed = used() + bytes;
  if (needed <= written_) return {};
  if (needed > options_.map_size) return fail(ErrorCode::storage_full, "lmdb: the map is full");
  const std::uint64_t target =
      std::min(options_.map_size, (needed / options_.growth_step + 1) * options_.growth_step);
  const std::vector<char> zeros(zero_piece, '\0');
  // Never below what LMDB uses: it may have grown the file itself, for a settlement.
  const std::uint64_t start = std::max(written_, used());
  std::uint64_t at = start;
  while (at < target) {
    const std::size_t piece = std::min<std::uint64_t>(zeros.size(), target - at);
    const ssize_t n = ::pwrite(file_.get(), zeros.data(), piece, static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      const int error = errno;
      if (::ftruncate(file_.get(), static_cast<off_t>(start)) != 0) {
        return fail_os(errno, "lmdb: undo the growth of the file");
      }
      return fail_os(error, "lmdb: grow the file");
    }
    at += static_cast<std::uint64_t>(n);
  }
  if (sync_flags == 0 && ::fdatasync(file_.get()) != 0) {
    return fail(ErrorCode::io_failure, "lmdb: sync the growth of the file");
  }
  written_ = target;
  return {};
}

std::uint64_t LmdbEnvironment::free_pages() const {
  auto transaction = begin_read();
  if (!transaction) return 0;
  constexpr MDB_dbi free_database = 0;
  MDB_cursor* raw = nullptr;
  if (mdb_cursor_open(transaction->get(), free_database, &raw) != 0) return 0;
  const Cursor cursor(raw);
  std::uint64_t pages = 0;
  MDB_val key;
  MDB_val value;
  while (mdb_cursor_get(cursor.get(), &key, &value, MDB_NEXT) == 0) {
    std::size_t count = 0;
    if (value.mv_size >= sizeof count) std::memcpy(&count, value.mv_data, sizeof count);
    pages += count;
  }
  return pages;
}

std::uint64_t LmdbEnvironment::room(std::uint64_t reserve) {
  struct statvfs space{};
  if (::fstatvfs(file_.get(), &space) != 0) return 0;
  const std::uint64_t end = used();
  const std::uint64_t on_disk = std::uint64_t{space.f_bavail} * space.f_frsize;
  const std::uint64_t beyond = on_disk > reserve ? on_disk - reserve : 0;
  const std::uint64_t in_map = options_.map_size > end ? options_.map_size - end : 0;
  std::uint64_t room = std::min(beyond, in_map) + (written_ > end ? written_ - end : 0);
  // Freed pages matter only when little else is left, and counting them is a walk. Half of them is
  // kept back: a value wants neighbouring pages, and a commit needs some of its own.
  if (room < 4 * options_.growth_step) room += free_pages() * page_size_ / 2;
  return reserve == UINT64_MAX ? 0 : room;
}

}  // namespace brevdue::backends
