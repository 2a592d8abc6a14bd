// The LMDB backend: one write transaction a batch. FORMAT.md has the databases and what recovery
// does.
//
// depth() is 1. One writer thread opens the environment, commits and closes it; recover() walks the
// snapshot that start() took, so that what is submitted meanwhile is not reported; open() and
// look_up() use a read transaction of their own and copy out. A batch is atomic: a crash keeps all
// of it or nothing.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "backends/lmdb/lmdb_compaction.h"
#include "backends/lmdb/lmdb_environment.h"
#include "backends/lmdb/lmdb_examination.h"
#include "backends/lmdb/lmdb_records.h"
#include "queue/store.h"

namespace brevdue::backends {

struct LmdbStoreOptions {
  static constexpr unsigned format_version = 2;

  std::string path;        // the backend's directory in the spool; made if it is missing
  std::string quarantine;  // a directory for what is damaged
  std::uint64_t map_size = std::uint64_t{1} << 40;
  std::uint64_t growth_step = 64u << 20;  // the file grows, written with zeros, by so much; also
                                          // what may lie dead in blobs before they are compacted
  std::uint64_t reserve = 0;  // no content is taken while the file system has less free (bytes)
  bool read_only = false;     // recover() changes nothing, submit() refuses
  // Pages of a damaged environment make LMDB lose records or end the process. Those of no more than
  // so many are all looked at before mail is taken, others but for leaves and values.
  std::uint64_t pages_examined_at_start = 8192;
  // One line for the operator; called from any of the store's threads.
  std::function<void(std::string)> notice = [](std::string) {};
};

class LmdbStore final : public queue::Store {
 public:
  explicit LmdbStore(LmdbStoreOptions options) : options_(std::move(options)) {}
  ~LmdbStore() override;

  Result<void> start() override;
  Result<void> recover(queue::RecoverySink& sink) override;
  void submit(queue::Batch batch, queue::BatchDone done) override;
  unsigned depth() const override { return 1; }
  Result<SharedBytes> open(mail::QueueId id, const queue::Location& location) override;
  Result<queue::StoredMessage> look_up(mail::QueueId id, const queue::Location& location) override;
  Result<queue::Verified> verify(mail::QueueId id, const queue::Location& location) override;
  std::uint64_t room() const override { return room_; }

 private:
  using Waiting = std::pair<queue::Batch, queue::BatchDone>;

  // What a message's content and state are read with; `stored` lives as long as `transaction`.
  struct Reading {
    Transaction transaction;
    StoredEnvelope stored;
  };
  Result<Reading> begin_reading(mail::QueueId id, const queue::Location& location);

  // Of a message in a read transaction; what is damaged is added to `verified`.
  Result<ContentPlace> verify_envelope(mail::QueueId id, MDB_txn* transaction,
                                       queue::Verified& verified) const;
  Result<void> verify_settlements(mail::QueueId id, MDB_txn* transaction,
                                  queue::Verified& verified) const;
  Result<void> verify_content(mail::QueueId id, MDB_txn* transaction, const ContentPlace& place,
                              queue::Verified& verified) const;

  void work(std::function<void(Result<void>)> opened);
  Result<void> open_environment();
  queue::BatchResults commit(const queue::Batch& batch);
  Result<queue::BatchResults> write(const queue::Batch& batch, bool with_content);
  bool compaction_is_due() const;
  void compact();
  void grow_ahead();

  Result<void> walk(queue::RecoverySink& sink);
  void set_aside(mail::QueueId id, const MDB_val& value, const std::string& why,
                 queue::RecoverySink& sink);

  LmdbStoreOptions options_;
  LmdbExamination examination_{options_.quarantine, options_.pages_examined_at_start};
  LmdbEnvironment environment_;
  Transaction snapshot_;
  std::atomic<std::uint64_t> room_{0};
  std::atomic<bool> cancelled_{false};
  // The writer thread's own.
  LmdbCompaction compaction_{environment_};
  unsigned commits_since_compaction_ = 0;
  std::chrono::steady_clock::time_point compact_again_at_{};
  bool failed_ = false;

  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::condition_variable recovered_;
  std::vector<Waiting> waiting_;
  bool stopping_ = false;
  bool recovering_ = false;
  std::thread writer_;
};

}  // namespace brevdue::backends
