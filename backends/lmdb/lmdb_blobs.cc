#include "backends/lmdb/lmdb_blobs.h"

#include <algorithm>
#include <iterator>

#include "backends/lmdb/lmdb_key.h"
#include "backends/lmdb/lmdb_records.h"

namespace brevdue::backends {

Result<void> BlobWriter::add(mail::QueueId id, std::string_view content) {
  if (!layout_.takes(content.size())) {
    if (auto done = write(); !done) return done;
  }
  layout_.add(id, content);
  return {};
}

Result<std::vector<ContentPlace>> BlobWriter::finish() {
  if (auto done = write(); !done) return propagate(std::move(done.error()));
  return std::move(places_);
}

Result<void> BlobWriter::write() {
  if (layout_.count() == 0) return {};
  const auto last = last_integer_key(transaction_, environment_.contents);
  if (!last) return propagate(Error(last.error()));
  const BlobNumber blob = *last + 1;
  IntegerKey key(blob);
  MDB_val value{layout_.value_size(), nullptr};
  const int code =
      mdb_put(transaction_, environment_.contents, key.value(), &value, MDB_RESERVE | MDB_APPEND);
  if (code != 0) return fail_lmdb(code, "put a blob");
  std::ranges::copy(layout_.fill(blob, value.mv_data), std::back_inserter(places_));
  layout_ = BlobLayout();
  return {};
}

Result<std::optional<BlobLife>> life_of(const LmdbEnvironment& environment, MDB_txn* transaction,
                                        BlobNumber blob) {
  IntegerKey key(blob);
  MDB_val value;
  int code = mdb_get(transaction, environment.sparse, key.value(), &value);
  if (code != 0 && code != MDB_NOTFOUND) return fail_lmdb(code, "life of a blob");
  if (code == 0) {
    const auto payload = checked_value(ValueKind::life, *key.value(), value);
    return payload ? decode_life(*payload) : std::nullopt;
  }
  code = mdb_get(transaction, environment.contents, key.value(), &value);
  if (code == MDB_NOTFOUND) return std::optional<BlobLife>();
  if (code != 0) return fail_lmdb(code, "find a blob");
  const auto parts = parts_of(blob, value);
  if (!parts) return std::optional<BlobLife>();
  BlobLife life;
  life.count = static_cast<std::uint32_t>(parts->size());
  for (const BlobPart& part : *parts) life.total += part.size;
  life.bytes = life.total;
  return std::optional(life);
}

Result<void> remove_blob(const LmdbEnvironment& environment, MDB_txn* transaction,
                         BlobNumber blob) {
  for (const MDB_dbi database : {environment.contents, environment.sparse}) {
    IntegerKey key(blob);
    MDB_val value;
    if (mdb_get(transaction, database, key.value(), &value) == 0) {
      if (auto removable = environment.check_removable(*key.value(), value); !removable)
        return removable;
    }
    const int code = mdb_del(transaction, database, key.value(), nullptr);
    if (code != 0 && code != MDB_NOTFOUND) return fail_lmdb(code, "remove a blob");
  }
  return {};
}

}  // namespace brevdue::backends
