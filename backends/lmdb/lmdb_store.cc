#include "backends/lmdb/lmdb_store.h"

#include <future>

#include <fmt/format.h>

#include "backends/lmdb/lmdb_key.h"
#include "backends/lmdb/lmdb_value.h"

namespace brevdue::backends {

using queue::BatchResults;
using queue::Location;

LmdbStore::~LmdbStore() {
  cancelled_ = true;
  {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    recovered_.wait(lock, [this] { return !recovering_; });
  }
  wake_.notify_one();
  if (writer_.joinable()) writer_.join();
  snapshot_.reset();
}

Result<void> LmdbStore::start() {
#ifdef BREVDUE_MUTANT_LMDB_NO_SYNC
  options_.notice("THIS BUILD DOES NOT SYNC: lmdb loses mail, for tests only");
#endif
  std::promise<Result<void>> opened;
  writer_ = std::thread([this, &opened] {
    work([&opened](Result<void> result) { opened.set_value(std::move(result)); });
  });
  return opened.get_future().get();
}

Result<void> LmdbStore::open_environment() {
  const EnvironmentOptions options{options_.path, options_.map_size, options_.growth_step,
                                   options_.read_only};
  if (auto done = environment_.open(options); !done) return done;
  auto snapshot = environment_.begin_read();
  if (!snapshot) return propagate(std::move(snapshot.error()));
  snapshot_ = std::move(*snapshot);
  room_ = options_.read_only ? 0 : environment_.room(options_.reserve);
  return {};
}

void LmdbStore::work(std::function<void(Result<void>)> opened) {
  auto open = open_environment();
  const bool usable = open.has_value() && !options_.read_only;
  opened(std::move(open));
  if (!usable) return;
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    auto [batch, done] = std::move(waiting_.front());
    waiting_.erase(waiting_.begin());
    lock.unlock();
    done(commit(batch));
    lock.lock();
  }
}

void LmdbStore::submit(queue::Batch batch, queue::BatchDone done) {
  if (options_.read_only) {
    return done(BatchResults(batch.size(), fail(ErrorCode::unavailable, "lmdb is read-only")));
  }
  {
    const std::lock_guard lock(mutex_);
    waiting_.emplace_back(std::move(batch), std::move(done));
  }
  wake_.notify_one();
}

BatchResults LmdbStore::commit(const queue::Batch& batch) {
  if (failed_) return BatchResults(batch.size(), fail(ErrorCode::unavailable, "lmdb"));
  auto results = write(batch, !refuses(batch));
  if (!results && results.error().code == ErrorCode::storage_full) {
    // The transaction is gone; what frees room must go through all the same.
    results = write(batch, false);
  }
  if (!results) {
    failed_ = true;
    const Error error{ErrorCode::io_failure, results.error().os_error, results.error().context};
    return BatchResults(batch.size(), std::unexpected(error));
  }
  room_ = environment_.room(options_.reserve);
  return std::move(*results);
}

// True if the contents of the batch do not fit any more.
bool LmdbStore::refuses(const queue::Batch& batch) {
  std::uint64_t bytes = 0;
  for (const queue::Mutation& mutation : batch) {
    const auto* enqueue = std::get_if<queue::Enqueue>(&mutation);
    if (enqueue != nullptr) bytes += enqueue->envelope.size() + enqueue->content.size() + 2 * 4096;
  }
  if (bytes == 0) return false;
  if (bytes > room_) return true;
  // Pages of the trees that a batch rewrites.
  const std::uint64_t trees = 64 * 4096 + batch.size() * 4096;
  return !environment_.make_room(bytes + trees) && room_ < 2 * bytes;
}

Result<BatchResults> LmdbStore::write(const queue::Batch& batch, bool with_content) {
  auto transaction = environment_.begin_write();
  if (!transaction) return propagate(std::move(transaction.error()));
  BatchResults results;
  results.reserve(batch.size());
  for (const queue::Mutation& mutation : batch) {
    if (std::holds_alternative<queue::Enqueue>(mutation) && !with_content) {
      results.emplace_back(fail(ErrorCode::storage_full, "lmdb"));
      continue;
    }
    auto done =
        std::visit([&](const auto& one) { return apply(transaction->get(), one); }, mutation);
    if (!done && done.error().code == ErrorCode::already_exists) {
      results.emplace_back(std::unexpected(std::move(done.error())));
      continue;
    }
    if (!done) return propagate(std::move(done.error()));
    const mail::QueueId id = std::visit([](const auto& one) { return one.id; }, mutation);
    results.emplace_back(location_of(id));
  }
  if (auto done = environment_.commit(std::move(*transaction)); !done) {
    return fail(ErrorCode::io_failure, describe(done.error()));
  }
  return results;
}

Result<void> LmdbStore::put_by_id(MDB_txn* transaction, MDB_dbi database, mail::QueueId id,
                                  std::string_view payload) {
  MDB_cursor* raw = nullptr;
  if (const int code = mdb_cursor_open(transaction, database, &raw); code != 0) {
    return fail_lmdb(code, "put " + id.text());
  }
  const Cursor cursor(raw);
  MDB_val last;
  MDB_val ignored;
  const bool empty = mdb_cursor_get(raw, &last, &ignored, MDB_LAST) != 0;
  // Ids mostly ascend, and appending fills pages instead of splitting them in halves. To append
  // below the last key would spoil the transaction.
  const bool ascends = empty || id_of_integer(last) < id;
  IntegerKey key(id);
  MDB_val value{value_header + payload.size(), nullptr};
  const unsigned flags = MDB_RESERVE | (ascends ? MDB_APPEND : MDB_NOOVERWRITE);
  const int code = mdb_cursor_put(raw, key.value(), &value, flags);
  if (code != 0) return fail_lmdb(code, "put " + id.text());
  fill_value(value.mv_data, payload);
  return {};
}

Result<void> LmdbStore::apply(MDB_txn* transaction, const queue::Enqueue& enqueue) {
  auto done = put_by_id(transaction, environment_.envelopes, enqueue.id, enqueue.envelope.view());
  if (!done || enqueue.content.empty()) return done;
  return put_by_id(transaction, environment_.contents, enqueue.id, enqueue.content.view());
}

Result<void> LmdbStore::apply(MDB_txn* transaction, const queue::Settle& settle) {
  IntegerKey owner(settle.id);
  MDB_val found;
  int code = mdb_get(transaction, environment_.envelopes, owner.value(), &found);
  if (code == MDB_NOTFOUND) return {};  // Discarded before: to replay a settlement is harmless.
  if (code != 0) return fail_lmdb(code, "find " + settle.id.text());
  MDB_cursor* raw = nullptr;
  code = mdb_cursor_open(transaction, environment_.settlements, &raw);
  if (code != 0) return fail_lmdb(code, "settle " + settle.id.text());
  const Cursor cursor(raw);
  SettlementKey key(settle.id, settle.settlement.sequence);
  MDB_val at = *key.value();
  code = mdb_cursor_get(raw, &at, &found, MDB_SET_RANGE);
  // This one or a later one is there already: a replay changes nothing.
  if (code == 0 && id_of_settlement(at) == settle.id) return {};
  if (code != 0 && code != MDB_NOTFOUND) return fail_lmdb(code, "settle " + settle.id.text());
  const std::string payload = mail::encode(settle.settlement);
  MDB_val value{value_header + payload.size(), nullptr};
  code = mdb_cursor_put(raw, key.value(), &value, MDB_RESERVE);
  if (code != 0) return fail_lmdb(code, "settle " + settle.id.text());
  fill_value(value.mv_data, payload);
  return {};
}

Result<void> LmdbStore::apply(MDB_txn* transaction, const queue::Discard& discard) {
  IntegerKey key(discard.id);
  for (const MDB_dbi database : {environment_.envelopes, environment_.contents}) {
    const int code = mdb_del(transaction, database, key.value(), nullptr);
    if (code != 0 && code != MDB_NOTFOUND) return fail_lmdb(code, "discard " + discard.id.text());
  }
  MDB_cursor* raw = nullptr;
  if (const int code = mdb_cursor_open(transaction, environment_.settlements, &raw); code != 0) {
    return fail_lmdb(code, "discard " + discard.id.text());
  }
  const Cursor cursor(raw);
  SettlementKey from(discard.id, 0);
  MDB_val at = *from.value();
  MDB_val value;
  int code = mdb_cursor_get(raw, &at, &value, MDB_SET_RANGE);
  while (code == 0 && id_of_settlement(at) == discard.id) {
    if (const int gone = mdb_cursor_del(raw, 0); gone != 0) {
      return fail_lmdb(gone, "discard " + discard.id.text());
    }
    // After a delete the cursor stands before the next record.
    code = mdb_cursor_get(raw, &at, &value, MDB_NEXT);
  }
  if (code != 0 && code != MDB_NOTFOUND) return fail_lmdb(code, "discard " + discard.id.text());
  return {};
}

Result<SharedBytes> LmdbStore::open(mail::QueueId id, const Location& location) {
  if (location != location_of(id))
    return fail(ErrorCode::corrupt, "lmdb: not where " + id.text() + " lies");
  auto transaction = environment_.begin_read();
  if (!transaction) return propagate(std::move(transaction.error()));
  IntegerKey key(id);
  MDB_val value;
  int code = mdb_get(transaction->get(), environment_.envelopes, key.value(), &value);
  if (code != 0) return fail_lmdb(code, "open " + id.text());
  code = mdb_get(transaction->get(), environment_.contents, key.value(), &value);
  if (code == MDB_NOTFOUND) return SharedBytes();
  if (code != 0) return fail_lmdb(code, "open " + id.text());
  const auto content = checked_value(value.mv_data, value.mv_size);
  if (!content) return fail(ErrorCode::corrupt, "lmdb: damaged content of " + id.text());
  return SharedBytes(*content);
}

}  // namespace brevdue::backends
