#include "backends/lmdb/lmdb_records.h"

#include "backends/lmdb/lmdb_key.h"

namespace brevdue::backends {

Result<void> put_checked(MDB_txn* transaction, MDB_dbi database, const MDB_val& key, ValueKind kind,
                         std::string_view payload, const std::string& context, unsigned flags) {
  MDB_val at = key;
  MDB_val value{value_header + payload.size(), nullptr};
  const int code = mdb_put(transaction, database, &at, &value, MDB_RESERVE | flags);
  if (code != 0) return fail_lmdb(code, context);
  fill_value(value.mv_data, kind, key, payload);
  return {};
}

std::optional<StoredEnvelope> stored_envelope(const MDB_val& key, const MDB_val& value) {
  const auto payload = checked_value(ValueKind::envelope, key, value);
  return payload ? decode_stored_envelope(*payload) : std::nullopt;
}

Result<std::optional<StoredEnvelope>> find_envelope(const LmdbEnvironment& environment,
                                                    MDB_txn* transaction, mail::QueueId id) {
  IntegerKey key(id);
  MDB_val value;
  const int code = mdb_get(transaction, environment.envelopes, key.value(), &value);
  if (code != 0) return fail_lmdb(code, "find " + id.text());
  return stored_envelope(*key.value(), value);
}

Result<SettledState> settled_state(MDB_cursor* settlements, mail::QueueId id) {
  SettledState found;
  SettlementKey from(id, 0);
  MDB_val key = *from.value();
  MDB_val value;
  int code = mdb_cursor_get(settlements, &key, &value, MDB_SET_RANGE);
  for (; code == 0 && id_of_settlement(key) == id;
       code = mdb_cursor_get(settlements, &key, &value, MDB_NEXT)) {
    const auto payload = checked_value(ValueKind::settlement, key, value);
    const auto settlement = payload ? mail::decode_settlement(*payload)
                                    : fail(ErrorCode::corrupt, "damaged settlement");
    if (settlement) {
      found.state.apply(*settlement);
    } else {
      ++found.damaged;
    }
  }
  if (code != 0 && code != MDB_NOTFOUND) return fail_lmdb(code, "settlements of " + id.text());
  return found;
}

Result<std::uint64_t> last_integer_key(MDB_txn* transaction, MDB_dbi database) {
  auto cursor = open_cursor(transaction, database);
  if (!cursor) return propagate(std::move(cursor.error()));
  MDB_val key;
  MDB_val value;
  const int code = mdb_cursor_get(cursor->get(), &key, &value, MDB_LAST);
  if (code == MDB_NOTFOUND) return 0;
  if (code != 0) return fail_lmdb(code, "last key");
  return integer_of(key).value_or(0);
}

}  // namespace brevdue::backends
