#include "backends/lmdb/lmdb_compaction.h"

#include <utility>

#include "backends/lmdb/lmdb_blobs.h"
#include "backends/lmdb/lmdb_key.h"
#include "backends/lmdb/lmdb_records.h"

namespace brevdue::backends {

namespace {
// A step takes the writer from intake for the time of one ordinary batch.
constexpr std::size_t bytes_full = 512u << 10;
constexpr std::size_t messages_full = 640;  // more than half a blob of the smallest messages
// For a disk or a map that is full.
constexpr std::size_t bytes_small = 128u << 10;
constexpr std::size_t messages_small = 32;
constexpr std::size_t looked_at_max = 4096;
}  // namespace

Result<void> LmdbCompaction::count() {
  auto transaction = environment_.begin_read();
  if (!transaction) return propagate(std::move(transaction.error()));
  auto cursor = open_cursor(transaction->get(), environment_.sparse);
  if (!cursor) return propagate(std::move(cursor.error()));
  MDB_val key;
  MDB_val value;
  int code = 0;
  while ((code = mdb_cursor_get(cursor->get(), &key, &value, MDB_NEXT)) == 0) {
    const auto payload = checked_value(ValueKind::life, key, value);
    const auto life = payload ? decode_life(*payload) : std::nullopt;
    if (life) dead_ += static_cast<std::int64_t>(life->total - life->bytes);
  }
  if (code != MDB_NOTFOUND) return fail_lmdb(code, "count what is dead");
  return {};
}

bool LmdbCompaction::due(std::uint64_t floor) const {
  if (dead() <= floor || environment_.pinned()) return false;
  if (fruitless_at_ >= 0 && dead_ <= fruitless_at_ + static_cast<std::int64_t>(floor)) return false;
  const auto total = environment_.content_bytes();
  return total && dead() > *total / 2;
}

Result<LmdbCompaction::Budget> LmdbCompaction::admitted_budget() {
  for (const Budget budget :
       {Budget{bytes_full, messages_full}, Budget{bytes_small, messages_small}}) {
    auto admitted = environment_.admit_compaction({budget.bytes, budget.messages});
    if (admitted) return budget;
    if (admitted.error().code != ErrorCode::storage_full) {
      return propagate(std::move(admitted.error()));
    }
  }
  return fail(ErrorCode::storage_full, "lmdb: no room to compact");
}

Result<void> LmdbCompaction::step() {
  const auto budget = admitted_budget();
  if (!budget) return propagate(Error(budget.error()));
  auto transaction = environment_.begin_write();
  if (!transaction) return propagate(std::move(transaction.error()));
  std::vector<Survivor> survivors;
  auto chosen = choose(transaction->get(), survivors, *budget);
  if (!chosen) return propagate(std::move(chosen.error()));
  moved_ = moved_ || !chosen->empty();
  if (position_ == 0 && !std::exchange(moved_, false)) fruitless_at_ = dead_;
  if (chosen->empty()) return {};
  fruitless_at_ = -1;
  if (auto done = move(transaction->get(), survivors); !done) return done;
  std::int64_t freed = 0;
  for (const Sparse& sparse : *chosen) {
    freed += static_cast<std::int64_t>(sparse.dead);
    auto done = remove_blob(environment_, transaction->get(), sparse.blob);
    if (!done) return done;
  }
  if (auto done = environment_.commit(std::move(*transaction)); !done) return done;
  dead_ -= freed;
  return {};
}

// Sparse blobs from position_ on, as many as the budget allows, and what lives in them.
Result<std::vector<LmdbCompaction::Sparse>> LmdbCompaction::choose(MDB_txn* transaction,
                                                                   std::vector<Survivor>& survivors,
                                                                   Budget budget) {
  std::vector<Sparse> chosen;
  auto cursor = open_cursor(transaction, environment_.sparse);
  if (!cursor) return propagate(std::move(cursor.error()));
  IntegerKey from(position_);
  MDB_val key = *from.value();
  MDB_val value;
  std::size_t bytes = 0;
  int code = mdb_cursor_get(cursor->get(), &key, &value, MDB_SET_RANGE);
  for (std::size_t looked_at = 0; code == 0;
       ++looked_at, code = mdb_cursor_get(cursor->get(), &key, &value, MDB_NEXT)) {
    const BlobNumber blob = integer_of(key).value_or(0);
    const auto payload = checked_value(ValueKind::life, key, value);
    const auto life = payload ? decode_life(*payload) : std::nullopt;
    if (looked_at == looked_at_max) {
      position_ = blob;
      return chosen;
    }
    if (!life || life->bytes > life->total / 2) continue;
    if (bytes + life->bytes > budget.bytes || survivors.size() + life->count > budget.messages) {
      // One that is over the budget alone would stop every step here.
      position_ = chosen.empty() ? blob + 1 : blob;
      return chosen;
    }
    auto whole = survivors_of(transaction, blob, survivors);
    if (!whole) return propagate(std::move(whole.error()));
    if (!*whole) continue;
    bytes += life->bytes;
    chosen.push_back({blob, life->total - life->bytes});
  }
  if (code != MDB_NOTFOUND) return fail_lmdb(code, "look for sparse blobs");
  position_ = 0;
  return chosen;
}

// False, and nothing is added, if anything about the blob is damaged: it stays as it is, so that
// the damage is found where it lies.
Result<bool> LmdbCompaction::survivors_of(MDB_txn* transaction, BlobNumber blob,
                                          std::vector<Survivor>& survivors) const {
  IntegerKey key(blob);
  MDB_val value;
  const int code = mdb_get(transaction, environment_.contents, key.value(), &value);
  if (code == MDB_NOTFOUND) return false;
  if (code != 0) return fail_lmdb(code, "read a sparse blob");
  const auto parts = parts_of(blob, value);
  if (!parts) return false;
  const std::size_t before = survivors.size();
  for (const BlobPart& part : *parts) {
    const auto found = find_envelope(environment_, transaction, part.id);
    if (!found && found.error().code == ErrorCode::not_found) continue;
    if (!found) return propagate(Error(found.error()));
    const std::optional<StoredEnvelope>& stored = *found;
    if (stored && stored->content.blob != blob) continue;
    const std::string_view content(static_cast<const char*>(value.mv_data) + part.offset,
                                   part.size);
    if (!stored || stored->content.offset != part.offset || stored->content.size != part.size ||
        content_crc(part.id, content) != stored->content.crc) {
      survivors.resize(before);
      return false;
    }
    survivors.push_back({part.id, content});
  }
  return true;
}

Result<void> LmdbCompaction::move(MDB_txn* transaction,
                                  const std::vector<Survivor>& survivors) const {
  BlobWriter writer(environment_, transaction);
  for (const Survivor& survivor : survivors) {
    if (auto done = writer.add(survivor.id, survivor.content); !done) return done;
  }
  const auto places = writer.finish();
  if (!places) return propagate(Error(places.error()));
  for (std::size_t i = 0; i < survivors.size(); ++i) {
    const mail::QueueId id = survivors[i].id;
    const auto stored = find_envelope(environment_, transaction, id);
    if (!stored) return propagate(Error(stored.error()));
    if (!*stored) return fail(ErrorCode::corrupt, "lmdb: envelope of " + id.text());
    const std::string moved = encode_place((*places)[i]).append((*stored)->envelope);
    IntegerKey key(id);
    auto done = put_checked(transaction, environment_.envelopes, *key.value(), ValueKind::envelope,
                            moved, "move envelope");
    if (!done) return done;
  }
  return {};
}

}  // namespace brevdue::backends
