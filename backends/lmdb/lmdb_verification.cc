// Verification of the LMDB backend: each value of a message is taken out of the page cache, then
// read and checked.
#include <fmt/format.h>

#include "backends/lmdb/lmdb_content.h"
#include "backends/lmdb/lmdb_key.h"
#include "backends/lmdb/lmdb_records.h"
#include "backends/lmdb/lmdb_store.h"

namespace brevdue::backends {

using queue::Damage;
using queue::Verified;

static std::string where(std::uint64_t offset) {
  return fmt::format("lmdb/data.mdb at byte {}", offset);
}

Result<Verified> LmdbStore::verify(mail::QueueId id, const queue::Location& location) {
  if (location != location_of(id)) return fail(ErrorCode::not_found, "lmdb: " + id.text());
  auto transaction = environment_.begin_read();
  if (!transaction) return propagate(std::move(transaction.error()));
  Verified verified;
  const auto place = verify_envelope(id, transaction->get(), verified);
  if (!place) return propagate(Error(place.error()));
  if (auto done = verify_settlements(id, transaction->get(), verified); !done) {
    return propagate(std::move(done.error()));
  }
  if (auto done = verify_content(id, transaction->get(), *place, verified); !done) {
    return propagate(std::move(done.error()));
  }
  return verified;
}

// Where the content lies; blob 0 also if the envelope is damaged, since nobody can tell.
Result<ContentPlace> LmdbStore::verify_envelope(mail::QueueId id, MDB_txn* transaction,
                                                Verified& verified) const {
  IntegerKey key(id);
  MDB_val value;
  const int code = mdb_get(transaction, environment_.envelopes, key.value(), &value);
  if (code != 0) return fail_lmdb(code, "find " + id.text());
  environment_.drop_cached(value);
  verified.bytes += value.mv_size;
  const auto stored = stored_envelope(*key.value(), value);
  const auto decoded = stored ? mail::decode_envelope(stored->envelope)
                              : fail(ErrorCode::corrupt, "damaged envelope");
  if (decoded && decoded->id == id) {
    verified.envelope = SharedBytes(stored->envelope);
    return stored->content;
  }
  verified.damage.push_back(
      {Damage::Part::envelope, where(environment_.offset_of(value)), "its checksum does not hold"});
  return ContentPlace();
}

Result<void> LmdbStore::verify_settlements(mail::QueueId id, MDB_txn* transaction,
                                           Verified& verified) const {
  auto cursor = open_cursor(transaction, environment_.settlements);
  if (!cursor) return propagate(std::move(cursor.error()));
  SettlementKey from(id, 0);
  MDB_val key = *from.value();
  MDB_val value;
  int code = mdb_cursor_get(cursor->get(), &key, &value, MDB_SET_RANGE);
  for (; code == 0 && id_of_settlement(key) == id;
       code = mdb_cursor_get(cursor->get(), &key, &value, MDB_NEXT)) {
    environment_.drop_cached(value);
    verified.bytes += value.mv_size;
    const auto payload = checked_value(ValueKind::settlement, key, value);
    if (payload && mail::decode_settlement(*payload)) continue;
    verified.damage.push_back({Damage::Part::settlement, where(environment_.offset_of(value)),
                               "its checksum does not hold"});
  }
  if (code != 0 && code != MDB_NOTFOUND) return fail_lmdb(code, "settlements of " + id.text());
  return {};
}

Result<void> LmdbStore::verify_content(mail::QueueId id, MDB_txn* transaction,
                                       const ContentPlace& place, Verified& verified) const {
  if (place.blob == 0) return {};
  IntegerKey key(place.blob);
  MDB_val value;
  const int code = mdb_get(transaction, environment_.contents, key.value(), &value);
  if (code == MDB_NOTFOUND) {
    verified.damage.push_back({Damage::Part::content, "lmdb/data.mdb", "it is missing"});
    return {};
  }
  if (code != 0) return fail_lmdb(code, "content of " + id.text());
  const bool fits = place.offset <= value.mv_size && place.size <= value.mv_size - place.offset;
  MDB_val content{fits ? place.size : 0, static_cast<char*>(value.mv_data) + place.offset};
  const std::uint64_t offset = environment_.offset_of(value);
  environment_.drop_cached(value);
  verified.bytes += content.mv_size;
  const std::string_view bytes(static_cast<const char*>(content.mv_data), content.mv_size);
  if (fits && content_crc(id, bytes) == place.crc) return {};
  verified.damage.push_back(
      {Damage::Part::content, where(offset + place.offset), "its checksum does not hold"});
  return {};
}

}  // namespace brevdue::backends
