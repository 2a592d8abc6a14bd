#include "backends/lmdb/lmdb_store.h"

#include <chrono>
#include <future>

#include <fmt/format.h>

#include "backends/lmdb/lmdb_batch.h"
#include "backends/lmdb/lmdb_content.h"
#include "backends/lmdb/lmdb_key.h"
#include "backends/lmdb/lmdb_rebuild.h"
#include "backends/lmdb/lmdb_records.h"

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
constexpr unsigned commits_a_compaction = 4;

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
  EnvironmentOptions options{options_.path, options_.map_size, options_.growth_step,
                             options_.reserve, options_.read_only};
  if (auto done = examination_.run(options); !done) return done;
  if (auto done = environment_.open(options); !done) {
    // Half-made, it would look like one that was cut short.
    if (examination_.found_none()) remove_files(options_.path);
    return done;
  }
  auto snapshot = environment_.begin_read();
  if (!snapshot) return propagate(std::move(snapshot.error()));
  snapshot_ = std::move(*snapshot);
  environment_.pin(mdb_txn_id(snapshot_.get()));
  room_ = environment_.room();
  return compaction_.count();
}

void LmdbStore::work(std::function<void(Result<void>)> opened) {
  auto open = open_environment();
  const bool usable = open.has_value() && !options_.read_only;
  opened(std::move(open));
  if (!usable) return;
  std::unique_lock lock(mutex_);
  while (true) {
    const bool tidy = compaction_is_due();
    const auto due = [this] { return stopping_ || !waiting_.empty(); };
    if (!wake_.wait_for(lock, tidy ? std::chrono::seconds(0) : room_measured_every, due)) {
      lock.unlock();
      if (tidy) compact();
      if (!failed_) room_ = environment_.room();
      lock.lock();
      continue;
    }
    if (waiting_.empty()) return;
    auto [batch, done] = std::move(waiting_.front());
    waiting_.erase(waiting_.begin());
    lock.unlock();
#ifdef BREVDUE_MUTANT_LMDB_EARLY_ANSWER
    BatchResults early;
    for (const auto& one : batch) {
      early.push_back(location_of(std::visit([](const auto& any) { return any.id; }, one)));
    }
    done(std::move(early));
    (void)commit(batch);
#else
    done(commit(batch));
#endif
    grow_ahead();
    if (tidy && ++commits_since_compaction_ >= commits_a_compaction) compact();
    lock.lock();
  }
}

// Under load a step follows every so many commits, else whenever nothing waits.
void LmdbStore::compact() {
  if (failed_) return;
  commits_since_compaction_ = 0;
  auto done = compaction_.step();
  if (done) return;
  compact_again_at_ = std::chrono::steady_clock::now() + room_measured_every;
  if (is_full(done.error())) return;
  if (done.error().code == ErrorCode::corrupt) LmdbExamination::ask_for_all(options_.path);
  failed_ = true;
  options_.notice("compaction: " + describe(done.error()));
}

void LmdbStore::grow_ahead() {
  if (failed_) return;
  if (auto done = environment_.grow_ahead(); !done) {
    failed_ = true;
    options_.notice(describe(done.error()));
  }
}

bool LmdbStore::compaction_is_due() const {
  return !failed_ && compaction_.due(options_.growth_step) &&
         std::chrono::steady_clock::now() >= compact_again_at_;
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
    if (results.error().code == ErrorCode::corrupt) LmdbExamination::ask_for_all(options_.path);
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
  LmdbBatch applied(environment_, transaction->get());
  auto results = applied.apply(batch, with_content);
  if (!results) return propagate(std::move(results.error()));
  if (auto done = environment_.commit(std::move(*transaction)); !done) {
    return propagate(std::move(done.error()));
  }
  compaction_.changed(applied.dead_change());
  return results;
}

Result<LmdbStore::Reading> LmdbStore::begin_reading(mail::QueueId id, const Location& location) {
  if (location != location_of(id))
    return fail(ErrorCode::corrupt, "lmdb: not where " + id.text() + " lies");
  auto transaction = environment_.begin_read();
  if (!transaction) return propagate(std::move(transaction.error()));
  const auto stored = find_envelope(environment_, transaction->get(), id);
  if (!stored) return propagate(Error(stored.error()));
  if (!*stored) return fail(ErrorCode::corrupt, "lmdb: damaged envelope of " + id.text());
  return Reading{std::move(*transaction), **stored};
}

Result<queue::StoredMessage> LmdbStore::look_up(mail::QueueId id, const Location& location) {
  auto reading = begin_reading(id, location);
  if (!reading) return propagate(std::move(reading.error()));
  auto settlements = open_cursor(reading->transaction.get(), environment_.settlements);
  if (!settlements) return propagate(std::move(settlements.error()));
  auto settled = settled_state(settlements->get(), id);
  if (!settled) return propagate(std::move(settled.error()));
  return queue::StoredMessage{SharedBytes(reading->stored.envelope), std::move(settled->state),
                              settled->damaged > 0};
}

Result<SharedBytes> LmdbStore::open(mail::QueueId id, const Location& location) {
  auto reading = begin_reading(id, location);
  if (!reading) return propagate(std::move(reading.error()));
  const Transaction& transaction = reading->transaction;
  const ContentPlace& place = reading->stored.content;
  if (place.blob == 0) return SharedBytes();
  IntegerKey blob(place.blob);
  MDB_val value;
  const int code = mdb_get(transaction.get(), environment_.contents, blob.value(), &value);
  if (code == MDB_NOTFOUND) {
    // It may be there all the same, under another number or in a page to which nothing leads.
    LmdbExamination::ask_for_all(options_.path);
    return fail(ErrorCode::corrupt, "lmdb: no content of " + id.text());
  }
  if (code != 0) return fail_lmdb(code, "open " + id.text());
  const std::string_view bytes(static_cast<const char*>(value.mv_data), value.mv_size);
  if (place.offset > bytes.size() || place.size > bytes.size() - place.offset ||
      content_crc(id, bytes.substr(place.offset, place.size)) != place.crc) {
    return fail(ErrorCode::corrupt, "lmdb: damaged content of " + id.text());
  }
  return SharedBytes(bytes.substr(place.offset, place.size));
}

}  // namespace brevdue::backends
