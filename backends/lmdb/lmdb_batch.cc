#include "backends/lmdb/lmdb_batch.h"

#include <algorithm>
#include <unordered_set>
#include <utility>
#include <variant>

#include "backends/lmdb/lmdb_blobs.h"
#include "backends/lmdb/lmdb_key.h"
#include "backends/lmdb/lmdb_records.h"

namespace brevdue::backends {

using queue::BatchResults;

Result<BatchResults> LmdbBatch::apply(const queue::Batch& batch, bool with_content) {
  BatchResults results(batch.size());
  std::vector<std::size_t> added;
  if (with_content) {
    auto chosen = admitted(batch, results);
    if (!chosen) return propagate(std::move(chosen.error()));
    added = std::move(*chosen);
  }
  auto places = add_contents(batch, added);
  if (!places) return propagate(std::move(places.error()));
  if (auto done = add_envelopes(batch, added, *places); !done) {
    return propagate(std::move(done.error()));
  }
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (!with_content && std::holds_alternative<queue::Enqueue>(batch[i])) {
      results[i] = fail(ErrorCode::storage_full, "lmdb");
    }
    if (!results[i]) continue;
    auto done = std::visit([&](const auto& one) { return apply(one); }, batch[i]);
    if (!done) return propagate(std::move(done.error()));
    results[i] = location_of(std::visit([](const auto& one) { return one.id; }, batch[i]));
  }
  if (auto done = count_gone(); !done) return propagate(std::move(done.error()));
  return results;
}

// The places in the batch of the messages that are new; the others get already_exists.
Result<std::vector<std::size_t>> LmdbBatch::admitted(const queue::Batch& batch,
                                                     BatchResults& results) const {
  std::vector<std::size_t> added;
  std::unordered_set<mail::QueueId> seen;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const auto* enqueue = std::get_if<queue::Enqueue>(&batch[i]);
    if (enqueue == nullptr) continue;
    IntegerKey key(enqueue->id);
    MDB_val found;
    const int code = mdb_get(transaction_, environment_.envelopes, key.value(), &found);
    if (code != 0 && code != MDB_NOTFOUND) return fail_lmdb(code, "find " + enqueue->id.text());
    if (code == 0 || !seen.insert(enqueue->id).second) {
      results[i] = fail(ErrorCode::already_exists, "lmdb: put " + enqueue->id.text());
      continue;
    }
    added.push_back(i);
  }
  return added;
}

Result<std::vector<ContentPlace>> LmdbBatch::add_contents(const queue::Batch& batch,
                                                          const std::vector<std::size_t>& added) {
  BlobWriter writer(environment_, transaction_);
  std::vector<std::size_t> with_content;
  for (std::size_t i = 0; i < added.size(); ++i) {
    const auto& enqueue = std::get<queue::Enqueue>(batch[added[i]]);
    if (enqueue.content.empty()) continue;
    auto done = writer.add(enqueue.id, enqueue.content.view());
    if (!done) return propagate(std::move(done.error()));
    with_content.push_back(i);
  }
  auto written = writer.finish();
  if (!written) return propagate(std::move(written.error()));
  std::vector<ContentPlace> places(added.size());
  for (std::size_t i = 0; i < with_content.size(); ++i) places[with_content[i]] = (*written)[i];
  return places;
}

// Ids mostly ascend, and appending fills pages instead of splitting them in halves. To append below
// the last key would spoil the transaction.
Result<void> LmdbBatch::add_envelopes(const queue::Batch& batch,
                                      const std::vector<std::size_t>& added,
                                      const std::vector<ContentPlace>& places) {
  if (added.empty()) return {};
  const auto last_key = last_integer_key(transaction_, environment_.envelopes);
  if (!last_key) return propagate(Error(last_key.error()));
  mail::QueueId last(*last_key);
  for (std::size_t i = 0; i < added.size(); ++i) {
    const auto& enqueue = std::get<queue::Enqueue>(batch[added[i]]);
    const std::string payload = encode_place(places[i]).append(enqueue.envelope.view());
    IntegerKey key(enqueue.id);
    const bool ascends = last < enqueue.id;
    auto done = put_checked(transaction_, environment_.envelopes, *key.value(), ValueKind::envelope,
                            payload, "put envelope", ascends ? MDB_APPEND : MDB_NOOVERWRITE);
    if (!done) return done;
    if (ascends) last = enqueue.id;
  }
  return {};
}

Result<void> LmdbBatch::apply(const queue::Settle& settle) {
  IntegerKey owner(settle.id);
  MDB_val found;
  int code = mdb_get(transaction_, environment_.envelopes, owner.value(), &found);
  if (code == MDB_NOTFOUND) return {};  // Discarded before: to replay a settlement is harmless.
  if (code != 0) return fail_lmdb(code, "find " + settle.id.text());
  auto cursor = open_cursor(transaction_, environment_.settlements);
  if (!cursor) return propagate(std::move(cursor.error()));
  SettlementKey key(settle.id, settle.settlement.sequence);
  MDB_val at = *key.value();
  code = mdb_cursor_get(cursor->get(), &at, &found, MDB_SET_RANGE);
  // This one or a later one is there already: a replay changes nothing.
  if (code == 0 && id_of_settlement(at) == settle.id) return {};
  if (code != 0 && code != MDB_NOTFOUND) return fail_lmdb(code, "settle " + settle.id.text());
  return put_checked(transaction_, environment_.settlements, *key.value(), ValueKind::settlement,
                     mail::encode(settle.settlement), "settle");
}

Result<void> LmdbBatch::apply(const queue::Discard& discard) {
  const auto stored = find_envelope(environment_, transaction_, discard.id);
  if (!stored && stored.error().code == ErrorCode::not_found) return remove_settlements(discard.id);
  if (!stored) return propagate(Error(stored.error()));
  // Where the content of a damaged envelope lies is not known: its blob keeps it.
  if (*stored && (*stored)->content.blob != 0) {
    Gone& gone = gone_[(*stored)->content.blob];
    ++gone.count;
    gone.bytes += (*stored)->content.size;
  }
  IntegerKey key(discard.id);
  MDB_val value;
  if (mdb_get(transaction_, environment_.envelopes, key.value(), &value) == 0) {
    if (auto removable = environment_.check_removable(*key.value(), value); !removable)
      return removable;
  }
  const int code = mdb_del(transaction_, environment_.envelopes, key.value(), nullptr);
  if (code != 0) return fail_lmdb(code, "discard " + discard.id.text());
  return remove_settlements(discard.id);
}

Result<void> LmdbBatch::remove_settlements(mail::QueueId id) {
  auto cursor = open_cursor(transaction_, environment_.settlements);
  if (!cursor) return propagate(std::move(cursor.error()));
  SettlementKey from(id, 0);
  MDB_val at = *from.value();
  MDB_val value;
  int code = mdb_cursor_get(cursor->get(), &at, &value, MDB_SET_RANGE);
  while (code == 0 && id_of_settlement(at) == id) {
    if (auto removable = environment_.check_removable(at, value); !removable) return removable;
    if (const int gone = mdb_cursor_del(cursor->get(), 0); gone != 0) {
      return fail_lmdb(gone, "discard " + id.text());
    }
    // After a delete the cursor stands before the next record.
    code = mdb_cursor_get(cursor->get(), &at, &value, MDB_NEXT);
  }
  if (code != 0 && code != MDB_NOTFOUND) return fail_lmdb(code, "discard " + id.text());
  return {};
}

Result<void> LmdbBatch::count_gone() {
  for (const auto& [blob, gone] : gone_) {
    if (auto done = count_gone(blob, gone); !done) return done;
  }
  gone_.clear();
  return {};
}

Result<void> LmdbBatch::count_gone(BlobNumber blob, const Gone& gone) {
  auto known = life_of(environment_, transaction_, blob);
  if (!known) return propagate(std::move(known.error()));
  // A blob whose list is damaged is never given up: what else is in it may still be read.
  if (!*known) return {};
  BlobLife life = **known;
  const auto dead_before = static_cast<std::int64_t>(life.total - life.bytes);
  if (gone.count >= life.count) {
    dead_change_ -= dead_before;
    return remove_blob(environment_, transaction_, blob);
  }
  life.count -= gone.count;
  life.bytes -= std::min(gone.bytes, life.bytes);
  dead_change_ += static_cast<std::int64_t>(life.total - life.bytes) - dead_before;
  IntegerKey key(blob);
  return put_checked(transaction_, environment_.sparse, *key.value(), ValueKind::life,
                     encode_life(life), "count what is left of a blob");
}

}  // namespace brevdue::backends
