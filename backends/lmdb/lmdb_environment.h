// One LMDB environment with its databases, and the file behind it, written with zeros ahead
// of what LMDB uses: a commit into blocks that exist needs no journal commit of the file system.
//
// One environment a process; the writing calls belong to one thread. LMDB's own traps, and what is
// done about them: a full disk is a failed commit to it, and it goes on after a failed sync, so
// every transaction is admitted first and the owner gives the environment up at the first failure;
// it reads past the end of a file that was cut short, so such a file is refused; it lets a second
// process open the same map, so the spool's lock keeps others out.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include <lmdb.h>

#include "backends/lmdb/lmdb_syncs.h"
#include "backends/lmdb/zero_writer.h"
#include "core/error.h"
#include "core/unique_fd.h"

namespace brevdue::backends {

// MDB_MAP_FULL is storage_full without an errno: the transaction is gone, the environment is well.
std::unexpected<Error> fail_lmdb(int code, const std::string& context);

// Ends a transaction that was not committed.
struct AbortTransaction {
  void operator()(MDB_txn* transaction) const { mdb_txn_abort(transaction); }
};
using Transaction = std::unique_ptr<MDB_txn, AbortTransaction>;
struct CloseCursor {
  void operator()(MDB_cursor* cursor) const { mdb_cursor_close(cursor); }
};
using Cursor = std::unique_ptr<MDB_cursor, CloseCursor>;
Result<Cursor> open_cursor(MDB_txn* transaction, MDB_dbi database);

struct EnvironmentOptions {
  std::string path;
  std::uint64_t map_size;
  std::uint64_t growth_step;
  // Bytes of the file system that growth leaves free; UINT64_MAX: no content is taken at all.
  std::uint64_t reserve = 0;
  bool read_only = false;
  bool durable = true;  // false: a copy that nobody needs after this process
};

// What a transaction may take behind the end of what LMDB uses, if no freed page fits.
struct Demand {
  std::uint64_t content = 0;  // bytes of envelopes and contents, 0 if none is added
  std::size_t mutations = 0;
};

class LmdbEnvironment {
 public:
  LmdbEnvironment() = default;
  LmdbEnvironment(const LmdbEnvironment&) = delete;
  LmdbEnvironment& operator=(const LmdbEnvironment&) = delete;
  ~LmdbEnvironment();

  Result<void> open(const EnvironmentOptions& options);

  Result<Transaction> begin_write();
  Result<Transaction> begin_read() const;
  // Consumes the transaction. After an error the environment must be given up.
  Result<void> commit(Transaction transaction);

  // Before each write transaction: makes the file long enough for the worst case, written with
  // zeros where the disk has room for that. storage_full if content does not fit; without content
  // nothing is refused. Any other error is a failed write or sync.
  Result<void> admit(const Demand& demand);
  // For a transaction that frees more than it takes: also from what is kept for settlements, of
  // which a quarter stays, or where it will most likely fit in freed pages.
  Result<void> admit_compaction(const Demand& demand);
  // Between transactions: sees to it that zeros are written ahead of the next ones meanwhile, so
  // that hardly any waits for a whole step. An error is a failed sync.
  Result<void> grow_ahead();
  // Bytes of content that would be admitted now; an estimate.
  std::uint64_t room() const;

  // Pages freed by or after this transaction cannot be used again until unpin(). Any thread.
  void pin(std::uint64_t transaction_id) { pinned_from_ = transaction_id; }
  void unpin() { pinned_from_ = UINT64_MAX; }
  bool pinned() const { return pinned_from_ != UINT64_MAX; }
  // Whether liblmdb may remove this value: one with pages of its own says itself how many they are,
  // and those of others would be freed if that is damaged. corrupt if it may not.
  Result<void> check_removable(const MDB_val& key, const MDB_val& value) const;
  // Where a value of a read transaction lies in the file.
  std::uint64_t offset_of(const MDB_val& value) const;
  // Takes a value out of the page cache, so that it is read from the disk when it is looked at
  // next.
  void drop_cached(const MDB_val& value) const;
  // Bytes of all blobs, in whole pages.
  Result<std::uint64_t> content_bytes() const;

  MDB_dbi envelopes = 0;    // id (native integer) → checked place of the content, envelope
  MDB_dbi contents = 0;     // number (native integer) → blob
  MDB_dbi sparse = 0;       // number (native integer) → checked life of a blob that lost something
  MDB_dbi settlements = 0;  // id and sequence (big-endian) → checked settlement

 private:
  // How much lies behind the end of what LMDB uses.
  struct Space {
    std::uint64_t end;       // bytes that LMDB uses
    std::uint64_t map;       // bytes of the map behind it
    std::uint64_t written;   // bytes of the file behind it, blocks that exist
    std::uint64_t disk;      // free bytes of the file system
    std::uint64_t growable;  // those of them that are not reserved
  };

  Result<void> open_databases();
  Result<void> check_length() const;
  Space space() const;
  std::uint64_t kept_for_settlements() const;
  std::uint64_t worst_case(const Demand& demand) const;
  bool fits_in_freed_pages(const Space& space, std::uint64_t needed) const;
  Result<void> grow(const Space& space, std::uint64_t needed);
  Result<void> take_growth();
  // Before a transaction that may write up to `end`.
  Result<void> keep_clear(std::uint64_t end);
  Result<void> lengthen(std::uint64_t size);
  std::uint64_t free_pages() const;

  EnvironmentOptions options_;
  MDB_env* environment_ = nullptr;
  UniqueFd file_;
  std::uint64_t size_ = 0;     // of the file
  std::uint64_t written_ = 0;  // bytes of it whose blocks exist on the disk
  bool growing_ = false;       // grow_ahead() is under way to a whole step
  std::uint64_t page_size_ = 4096;
  std::atomic<std::uint64_t> pinned_from_{UINT64_MAX};
  ZeroFile zero_file_;
  ZeroWriter zeros_{zero_file_};  // last: it ends before the file is closed
};

}  // namespace brevdue::backends
