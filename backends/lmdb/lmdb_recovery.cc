// Recovery of the LMDB backend: the snapshot's envelopes and settlements are walked side by side,
// in the order of ids; contents are not read.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "backends/lmdb/lmdb_key.h"
#include "backends/lmdb/lmdb_records.h"
#include "backends/lmdb/lmdb_store.h"

namespace brevdue::backends {

Result<void> LmdbStore::recover(queue::RecoverySink& sink) {
  {
    const std::lock_guard lock(mutex_);
    recovering_ = true;
  }
  sink.begun();
  auto result = walk(sink);
  // The snapshot keeps every page that was freed since from being used again.
  snapshot_.reset();
  environment_.unpin();
  // Under the lock: the destructor may go on as soon as it is given back.
  const std::lock_guard lock(mutex_);
  recovering_ = false;
  recovered_.notify_all();
  return result;
}

Result<void> LmdbStore::walk(queue::RecoverySink& sink) {
  for (const queue::Quarantined& damage : examination_.damage()) sink.quarantined(damage);
  if (auto done = examination_.look_at_leaves(options_.path, cancelled_); !done) return done;
  auto envelopes = open_cursor(snapshot_.get(), environment_.envelopes);
  auto settlements = open_cursor(snapshot_.get(), environment_.settlements);
  if (!envelopes) return propagate(std::move(envelopes.error()));
  if (!settlements) return propagate(std::move(settlements.error()));
  MDB_val key;
  MDB_val value;
  int code = mdb_cursor_get(envelopes->get(), &key, &value, MDB_FIRST);
  for (; code == 0; code = mdb_cursor_get(envelopes->get(), &key, &value, MDB_NEXT)) {
    if (cancelled_) return fail(ErrorCode::cancelled, "lmdb recovery");
    const auto id = id_of_integer(key);
    if (!id) {
      sink.quarantined({"lmdb envelopes", "a key that is no queue id"});
      continue;
    }
    const auto stored = stored_envelope(key, value);
    const auto decoded = stored ? mail::decode_envelope(stored->envelope)
                                : fail(ErrorCode::corrupt, "damaged envelope");
    if (!decoded || decoded->id != *id) {
      set_aside(*id, value, "damaged envelope", sink);
      continue;
    }
    auto settled = settled_state(settlements->get(), *id);
    if (!settled) return propagate(std::move(settled.error()));
    for (unsigned i = 0; i < settled->damaged; ++i) {
      sink.quarantined(
          {"lmdb settlements of " + id->text(), "damaged; the attempt it stood for is repeated"});
    }
    sink.message({*id, location_of(*id), SharedBytes(stored->envelope), std::move(settled->state)});
  }
  if (code != MDB_NOTFOUND) return fail_lmdb(code, "walk the envelopes");
  return {};
}

// The value is copied to the quarantine; the records stay where they are, and are never reported as
// a message.
void LmdbStore::set_aside(mail::QueueId id, const MDB_val& value, const std::string& why,
                          queue::RecoverySink& sink) {
  const std::string where = options_.quarantine + "/" + id.text() + ".envelope";
  std::string trouble;
  if (!options_.read_only) {
    const UniqueFd file(::open(where.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    const auto size = static_cast<ssize_t>(value.mv_size);
    if (!file || ::write(file.get(), value.mv_data, value.mv_size) != size) {
      trouble = "; and it cannot be copied there";
    }
  }
  sink.quarantined({where, why + trouble});
}

}  // namespace brevdue::backends
