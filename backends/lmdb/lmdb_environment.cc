#include "backends/lmdb/lmdb_environment.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/lmdb/lmdb_page.h"

namespace brevdue::backends {

namespace {
constexpr unsigned sync_flags = lmdb_syncs ? 0 : MDB_NOSYNC;
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

static Result<void> commit_first_transaction(MDB_env* environment, const std::string& file) {
  int code = mdb_env_set_maxdbs(environment, 1);
  if (code == 0) code = mdb_env_open(environment, file.c_str(), MDB_NOSUBDIR | sync_flags, 0600);
  if (code != 0) return fail_lmdb(code, "make " + file);
  MDB_txn* raw = nullptr;
  code = mdb_txn_begin(environment, nullptr, 0, &raw);
  if (code != 0) return fail_lmdb(code, "make " + file);
  Transaction transaction(raw);
  MDB_dbi envelopes = 0;
  code = mdb_dbi_open(raw, "envelopes", MDB_INTEGERKEY | MDB_CREATE, &envelopes);
  if (code == 0) code = mdb_txn_commit(transaction.release());
  return code == 0 ? Result<void>() : fail_lmdb(code, "make " + file);
}

// Under another name until its first transaction is durable: LMDB never opens a file whose first
// page a power cut took, and it writes that page without a sync.
static Result<void> make_file(const std::string& file) {
  const std::string fresh = file + ".new";
  const std::string lock = fresh + "-lock";
  for (const std::string& left : {fresh, lock}) {
    if (::unlink(left.c_str()) != 0 && errno != ENOENT) return fail_os(errno, "lmdb: " + left);
  }
  MDB_env* environment = nullptr;
  if (const int code = mdb_env_create(&environment); code != 0) return fail_lmdb(code, "create");
  auto made = commit_first_transaction(environment, fresh);
  mdb_env_close(environment);
  if (!made) return made;
  ::unlink(lock.c_str());
  if (::rename(fresh.c_str(), file.c_str()) != 0) return fail_os(errno, "lmdb: rename " + fresh);
  return {};
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
  struct stat before{};
  const bool is_there = ::stat(file.c_str(), &before) == 0 && before.st_size > 0;
  if (!is_there && !options.read_only) {
    if (auto made = make_file(file); !made) return made;
  }
  // Past the page cache: after a failed sync it holds what the disk does not.
  if (const UniqueFd cached(::open(file.c_str(), O_RDONLY | O_CLOEXEC)); cached) {
    ::posix_fadvise(cached.get(), 0, 0, POSIX_FADV_DONTNEED);
  }
  if (const int code = mdb_env_create(&environment_); code != 0) return fail_lmdb(code, "create");
  mdb_env_set_maxdbs(environment_, 4);
  if (const int code = mdb_env_set_mapsize(environment_, options.map_size); code != 0) {
    return fail_lmdb(code, "map of " + std::to_string(options.map_size) + " bytes");
  }
  // Without LMDB's lock file where nothing may be changed: the spool's own lock is held.
  const unsigned syncs = options.durable ? sync_flags : MDB_NOSYNC;
  const unsigned mode = options.read_only ? MDB_RDONLY | MDB_NOLOCK : syncs;
  const unsigned flags = MDB_NOTLS | MDB_NOMEMINIT | MDB_NORDAHEAD | mode;
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
  if (!options.read_only) {
    zero_file_.use(file_.get(), UniqueFd(::open(file.c_str(), O_RDWR | O_DIRECT | O_CLOEXEC)));
  }
  size_ = written_ = static_cast<std::uint64_t>(found.st_size);
  if (auto whole = check_length(); !whole) return whole;
  return open_databases();
}

// LMDB would read behind the end of the file, which ends the process.
Result<void> LmdbEnvironment::check_length() const {
  MDB_envinfo info{};
  MDB_stat statistics{};
  if (mdb_env_info(environment_, &info) != 0 || mdb_env_stat(environment_, &statistics) != 0) {
    return fail(ErrorCode::corrupt, "lmdb: " + options_.path);
  }
  const std::uint64_t pages = size_ / statistics.ms_psize;
  if (info.me_last_pgno < pages) return {};
  return fail(ErrorCode::corrupt,
              "lmdb: " + options_.path + "/data.mdb is cut short: " + std::to_string(pages) +
                  " of " + std::to_string(info.me_last_pgno + 1) +
                  " pages; bring a whole one back, or move it away to start with an empty queue");
}

Result<void> LmdbEnvironment::open_databases() {
  MDB_txn* raw = nullptr;
  const unsigned mode = options_.read_only ? MDB_RDONLY : 0u;
  if (const int code = mdb_txn_begin(environment_, nullptr, mode, &raw); code != 0) {
    return fail_lmdb(code, "begin");
  }
  Transaction transaction(raw);
  const unsigned create = options_.read_only ? 0u : static_cast<unsigned>(MDB_CREATE);
  const std::pair<const char*, MDB_dbi*> integer_keyed[] = {
      {"envelopes", &envelopes}, {"contents", &contents}, {"sparse", &sparse}};
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
  if (!options_.durable) return {};
  // The names of the two files must be as durable as what is in them.
  const UniqueFd directory(::open(options_.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory || (lmdb_syncs && ::fsync(directory.get()) != 0)) {
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

Result<std::uint64_t> LmdbEnvironment::content_bytes() const {
  auto transaction = begin_read();
  if (!transaction) return propagate(std::move(transaction.error()));
  MDB_stat found{};
  const int code = mdb_stat(transaction->get(), contents, &found);
  if (code != 0) return fail_lmdb(code, "size of the contents");
  return (found.ms_leaf_pages + found.ms_overflow_pages) * page_size_;
}

// Pages begin with their own number; a value lies in one, or begins in the first of its own.
std::uint64_t LmdbEnvironment::offset_of(const MDB_val& value) const {
  const auto address = reinterpret_cast<std::uintptr_t>(value.mv_data);
  const std::uintptr_t in_page = address % page_size_;
  std::uint64_t number = 0;
  std::memcpy(&number, static_cast<const char*>(value.mv_data) - in_page, sizeof number);
  return number * page_size_ + in_page;
}

Result<void> LmdbEnvironment::check_removable(const MDB_val& key, const MDB_val& value) const {
  // As liblmdb reckons: two nodes must fit in a page.
  const std::size_t node_max = (page_size_ - page_header_size) / 2 / 2 * 2 - sizeof(std::uint16_t);
  if (node_header_size + key.mv_size + value.mv_size <= node_max) return {};
  const std::string_view header(static_cast<const char*>(value.mv_data) - page_header_size,
                                page_header_size);
  const auto page = decode_overflow_page(header);
  if (page && page->count == overflow_count(value.mv_size, page_size_)) return {};
  return fail(ErrorCode::corrupt, "lmdb: the first page of a value is damaged");
}

void LmdbEnvironment::drop_cached(const MDB_val& value) const {
  const std::uint64_t offset = offset_of(value);
  const std::uint64_t in_page = offset % page_size_;
  const std::uint64_t length = (in_page + value.mv_size + page_size_ - 1) / page_size_ * page_size_;
  // Mapped pages stay in the cache.
  ::madvise(static_cast<char*>(value.mv_data) - in_page, length, MADV_DONTNEED);
  ::posix_fadvise(file_.get(), static_cast<off_t>(offset - in_page), static_cast<off_t>(length),
                  POSIX_FADV_DONTNEED);
}

Result<Cursor> open_cursor(MDB_txn* transaction, MDB_dbi database) {
  MDB_cursor* raw = nullptr;
  const int code = mdb_cursor_open(transaction, database, &raw);
  if (code != 0) return fail_lmdb(code, "cursor");
  return Cursor(raw);
}

Result<void> LmdbEnvironment::commit(Transaction transaction) {
  const int code = mdb_txn_commit(transaction.release());
  if (code == 0) return {};
  return fail_lmdb(code, "commit");
}

}  // namespace brevdue::backends
