// One LMDB environment with its three databases, and the file behind it, written with zeros ahead
// of what LMDB uses: a commit into blocks that exist needs no journal commit of the file system.
//
// One environment a process; the writing calls belong to one thread. LMDB's own traps, and what is
// done about them: it reports a full disk as EIO and goes on after a failed sync, so room is asked
// for before content is taken and the owner gives the environment up at the first failed commit; it
// lets a second process open the same map, so the spool's lock keeps others out.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <lmdb.h>

#include "core/error.h"
#include "core/unique_fd.h"

namespace brevdue::backends {

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

struct EnvironmentOptions {
  std::string path;
  std::uint64_t map_size;
  std::uint64_t growth_step;
  bool read_only = false;
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

  // Makes sure that `bytes` more fit into blocks that are written; storage_full if they do not.
  Result<void> make_room(std::uint64_t bytes);
  // What still fits, on the disk and in the map, `reserve` taken off.
  std::uint64_t room(std::uint64_t reserve);

  MDB_dbi envelopes = 0;    // id (native integer) → checked envelope
  MDB_dbi contents = 0;     // id (native integer) → checked content
  MDB_dbi settlements = 0;  // id and sequence (big-endian) → checked settlement

 private:
  Result<void> open_databases();
  std::uint64_t used() const;
  std::uint64_t free_pages() const;

  EnvironmentOptions options_;
  MDB_env* environment_ = nullptr;
  UniqueFd file_;
  std::uint64_t written_ = 0;  // bytes of the file that exist on the disk
  std::uint64_t page_size_ = 4096;
};

}  // namespace brevdue::backends
