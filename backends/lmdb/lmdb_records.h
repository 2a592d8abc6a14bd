// Single records of the environment inside a transaction. Any thread that owns the transaction.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "backends/lmdb/lmdb_content.h"
#include "backends/lmdb/lmdb_environment.h"
#include "backends/lmdb/lmdb_value.h"
#include "mail/settlement.h"

namespace brevdue::backends {

// Writes the payload behind its checksum. `flags` are those of mdb_put; `context` is for the error.
Result<void> put_checked(MDB_txn* transaction, MDB_dbi database, const MDB_val& key, ValueKind kind,
                         std::string_view payload, const std::string& context, unsigned flags = 0);

// An envelope's value, checked; nothing if it is damaged. It stays in the map.
std::optional<StoredEnvelope> stored_envelope(const MDB_val& key, const MDB_val& value);

// not_found if there is none, nothing if it is damaged.
Result<std::optional<StoredEnvelope>> find_envelope(const LmdbEnvironment& environment,
                                                    MDB_txn* transaction, mail::QueueId id);

struct SettledState {
  mail::DeliveryState state;
  unsigned damaged = 0;  // settlements that were left out: the attempts they stood for are repeated
};
// What the settlements of a message add up to. `settlements` is a cursor of that database.
Result<SettledState> settled_state(MDB_cursor* settlements, mail::QueueId id);

// Of a database with native integer keys; 0 if it is empty.
Result<std::uint64_t> last_integer_key(MDB_txn* transaction, MDB_dbi database);

}  // namespace brevdue::backends
