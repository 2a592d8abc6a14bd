#include "backends/lmdb/lmdb_store.h"

#include <chrono>
#include <future>

#include <fmt/format.h>

#include "backends/lmdb/lmdb_key.h"

namespace brevdue::backends {

using queue::BatchResults;
using queue::Location;

namespace {
// Full without an errno: known before anything was written. ENOSPC from a write is a failed write.
bool is_full(const Error& error) {
  return error.code == ErrorCode::storage_full && error.os_error == 0;
}

// Others fill and free the disk, too.
constexpr std::chrono::seconds room_measured_every{1};

Demand demand_of(const queue::Batch& batch, bool with_content) {
  // Headers and the rest of the last page, of the envelope and of the content.
  constexpr std::uint64_t waste = 2 * 4096;
  Demand demand{0, batch.size()};
  for (const queue::Mutation& mutation : batch) {
    const auto* enqueue = std::get_if<queue::Enqueue>(&mutation);
    if (enqueue == nullptr || !with_content) continue;
    demand.content += enqueue->envelope.size() + enqueue->content.size() + waste;
  }
  return demand;
}
}  // namespace

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
  if constexpr (!lmdb_syncs) {
    options_.notice("THIS BUILD DOES NOT SYNC: lmdb loses mail, for tests only");
  }
  std::promise<Result<void>> opened;
  writer_ = std::thread([this, &opened] {
    work([&opened](Result<void> result) { opened.set_value(std::move(result)); });
  });
  return opened.get_future().get();
}

Result<void> LmdbStore::open_environment() {
  const EnvironmentOptions options{options_.path, options_.map_size, options_.growth_step,
                                   options_.reserve, options_.read_only};
  if (auto done = environment_.open(options); !done) return done;
  auto snapshot = environment_.begin_read();
  if (!snapshot) return propagate(std::move(snapshot.error()));
  snapshot_ = std::move(*snapshot);
  environment_.pin(mdb_txn_id(snapshot_.get()));
  room_ = environment_.room();
  return {};
}

void LmdbStore::work(std::function<void(Result<void>)> opened) {
  auto open = open_environment();
  const bool usable = open.has_value() && !options_.read_only;
  opened(std::move(open));
  if (!usable) return;
  std::unique_lock lock(mutex_);
  while (true) {
    const auto due = [this] { return stopping_ || !waiting_.empty(); };
    if (!wake_.wait_for(lock, room_measured_every, due)) {
      lock.unlock();
      if (!failed_) room_ = environment_.room();
      lock.lock();
      continue;
    }
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
  auto results = write(batch, true);
  // The transaction is gone; what frees room must go through all the same.
  if (!results && is_full(results.error())) results = write(batch, false);
  if (!results && is_full(results.error())) {
    return BatchResults(batch.size(), std::unexpected(results.error()));
  }
  if (!results) {
    failed_ = true;
    const Error error{ErrorCode::io_failure, results.error().os_error, results.error().context};
    return BatchResults(batch.size(), std::unexpected(error));
  }
  room_ = environment_.room();
  return std::move(*results);
}

Result<BatchResults> LmdbStore::write(const queue::Batch& batch, bool with_content) {
  if (auto admitted = environment_.admit(demand_of(batch, with_content)); !admitted) {
    return propagate(std::move(admitted.error()));
  }
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
    return propagate(std::move(done.error()));
  }
  return results;
}

Result<void> LmdbStore::put_by_id(MDB_txn* transaction, ValueKind kind, mail::QueueId id,
                                  std::string_view payload) {
  const bool is_content = kind == ValueKind::content;
  const MDB_dbi database = is_content ? environment_.contents : environment_.envelopes;
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
  fill_value(value.mv_data, kind, *key.value(), payload);
  return {};
}

// Content has a value also if it is empty: one that is missing is damage.
Result<void> LmdbStore::apply(MDB_txn* transaction, const queue::Enqueue& enqueue) {
  auto done = put_by_id(transaction, ValueKind::envelope, enqueue.id, enqueue.envelope.view());
  if (!done) return done;
  return put_by_id(transaction, ValueKind::content, enqueue.id, enqueue.content.view());
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
  fill_value(value.mv_data, ValueKind::settlement, *key.value(), payload);
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
  if (code == MDB_NOTFOUND) return fail(ErrorCode::corrupt, "lmdb: no content of " + id.text());
  if (code != 0) return fail_lmdb(code, "open " + id.text());
  const auto content = checked_value(ValueKind::content, *key.value(), value);
  if (!content) return fail(ErrorCode::corrupt, "lmdb: damaged content of " + id.text());
  return SharedBytes(*content);
}

}  // namespace brevdue::backends
