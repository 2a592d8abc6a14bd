// The directory backend: one file a message under its final name, its queue id. FORMAT.md has the
// bytes and what recovery does.
//
// A batch is written as files and appended settlements, made durable, and only then are discarded
// messages unlinked, and that made durable: what a batch adds is never later than what it removes.
// A few changes are synced file by file, more by one syncfs, which is why the spool should be a
// file system of its own; how many, and whether a new name needs its directory synced too, depends
// on the file system (sync_strategy.h), which start() looks at and tries out.
//
// depth() is 1. One writer thread; recover() reads with several threads and calls the sink under a
// lock. Files are reached through core::FileSystem only.
#pragma once

#include <atomic>
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

#include "backends/maildir/sync_strategy.h"
#include "core/file_system.h"
#include "queue/store.h"

namespace brevdue::backends {

struct MaildirStoreOptions {
  static constexpr unsigned format_version = 1;

  std::string path;        // the backend's directory in the spool; made if it is missing
  std::string quarantine;  // a directory on the same file system, for what is damaged
  MaildirSync sync = MaildirSync::automatic;
  std::uint64_t reserve = 0;  // no content is taken while the file system has less free (bytes)
  bool read_only = false;     // recover() changes nothing, submit() refuses
  unsigned recovery_threads = 8;
  // One line for the operator; called from any of the store's threads.
  std::function<void(std::string)> notice = [](std::string) {};
};

class MaildirStore final : public queue::Store {
 public:
  explicit MaildirStore(MaildirStoreOptions options);
  // With another file system, for tests; it must outlive the store.
  MaildirStore(MaildirStoreOptions options, FileSystem& files);
  ~MaildirStore() override;

  Result<void> start() override;
  Result<void> recover(queue::RecoverySink& sink) override;
  void submit(queue::Batch batch, queue::BatchDone done) override;
  unsigned depth() const override { return 1; }
  Result<SharedBytes> open(mail::QueueId id, const queue::Location& location) override;
  Result<queue::StoredMessage> look_up(mail::QueueId id, const queue::Location& location) override;
  Result<queue::Verified> verify(mail::QueueId id, const queue::Location& location) override;
  std::uint64_t room() const override { return room_; }

 private:
  struct MessageFile {
    UniqueFd fd;
    std::uint64_t size;
  };

  static queue::Location location_of(mail::QueueId id);
  Result<MessageFile> open_file(mail::QueueId id, const queue::Location& location);

  struct Commit;

  void work();
  queue::BatchResults commit(const queue::Batch& batch);
  void add(Commit& commit, std::size_t at, const queue::Enqueue& enqueue);
  void append(Commit& commit, std::size_t at, const queue::Settle& settle);
  void remove(Commit& commit, std::size_t at, const queue::Discard& discard);
  Result<void> write_new(Commit& commit, const queue::Enqueue& enqueue);
  Result<void> note_change(Commit& commit, UniqueFd fd);
  Result<void> sync_open(Commit& commit);
  void sync_changes(Commit& commit);
  Result<void> learn_file_system();
  Result<bool> try_syncfs();
  Result<void> try_directory_sync();
  Result<void> sync_directory();
  void measure_room();

  struct Recovery;
  void recover_one(const std::string& name, Recovery& recovery);
  Result<std::optional<queue::RecoveredMessage>> read_message(const std::string& name,
                                                              Recovery& recovery);
  Result<mail::DeliveryState> read_state(int fd, const std::string& name, std::string_view head,
                                         std::uint64_t from, std::uint64_t file_size,
                                         Recovery& recovery);
  Result<void> cut_tail(int fd, const std::string& name, std::string_view tail, std::uint64_t at,
                        Recovery& recovery);
  void set_aside(const std::string& name, const std::string& why, Recovery& recovery);

  RealFileSystem real_files_;
  FileSystem& files_;
  MaildirStoreOptions options_;
  UniqueFd directory_;
  UniqueFd quarantine_;
  FileSystemKind kind_ = FileSystemKind::other;
  SyncStrategy strategy_;
  bool found_are_durable_ = true;   // else recover() syncs each file before it reports it
  std::vector<std::string> found_;  // names there when start() returned
  std::atomic<std::uint64_t> room_{0};
  std::atomic<bool> cancelled_{false};
  bool failed_ = false;  // writer thread only

  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::condition_variable recovered_;
  std::vector<std::pair<queue::Batch, queue::BatchDone>> waiting_;
  bool stopping_ = false;
  bool recovering_ = false;
  std::thread writer_;
};

}  // namespace brevdue::backends
