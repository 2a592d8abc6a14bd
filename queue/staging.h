// Staging of large content: a file of its own in the spool's staged/ directory (of a mirror: in
// both sides'), written, synced and linked before the message's Enqueue enters the committer, by
// two threads, so that nobody waits for a gigabyte: one writes chunks and opens what is read, the
// other one syncs.
//
// Life of a file: open() makes an unnamed one; append() writes at its end; finish() checks size and
// CRC32C against what smtpd says, syncs, links it under its queue id and syncs the directory; a
// StagedFile destroyed before that leaves nothing behind, and none may outlive the Staging. Where
// unnamed files are refused it has a name from the start, ID.part; where only linking one is, that
// one fails. After the message is gone, remove() unlinks it; sweep() removes what a crash left
// without a record. A failed sync fails that file only: nothing was acknowledged from it, and it is
// never synced again.
//
// Called in the loop's thread; `done` is called there. Bounded by the caller: it appends again only
// after the last append's `done`, or within a credit of its own.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/file_system.h"
#include "core/shared_bytes.h"
#include "mail/envelope.h"
#include "mail/queue_id_map.h"
#include "queue/event_loop.h"
#include "queue/spool_sides.h"
#include "queue/staged_file.h"
#include "queue/worker.h"

namespace brevdue::queue {

class Staging {
 public:
  using Done = std::move_only_function<void(Result<void>)>;
  using Opened = std::move_only_function<void(Result<UniqueFd>)>;

  Staging(FileSystem& files, std::shared_ptr<SpoolSides> sides, EventLoop& loop);
  ~Staging();  // what was asked for is done first
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  // Space that no chunk may take: a chunk that would is refused with storage_full. Before start().
  void keep_free(std::uint64_t bytes) { kept_free_ = bytes; }
  // Bytes that large content may still take; 0 if the file system does not say.
  std::uint64_t room();
  Result<void> start();  // notes what lies there, for sweep()

  // A file being written; owned by this and by who writes it.
  std::shared_ptr<StagedFile> open(mail::QueueId id);
  void append(std::shared_ptr<StagedFile> file, SharedBytes chunk, Done done);
  void finish(std::shared_ptr<StagedFile> file, mail::ContentFacts expected, Done done);

  // A read-only descriptor on finished content.
  void read(mail::QueueId id, Opened done);
  void remove(mail::QueueId id);
  // Removes the files found by start() that are not in `known`.
  void sweep(mail::QueueIdSet known);
  // Moves them to quarantine/NAME.content instead; `told` is given what became of each.
  using Told = std::function<void(const std::string& line)>;
  void set_aside(mail::QueueIdSet known, Told told);
  // Runs `task` on the writing thread, then `done` with what it returned in the loop's thread.
  void run(std::move_only_function<Result<void>()> task, Done done);

 private:
  std::move_only_function<void()> task_of(std::move_only_function<Result<void>()> task, Done done);

  using Stranger = std::function<void(const SpoolSide& side, const std::string& name)>;
  void for_each_stranger(mail::QueueIdSet known, Stranger stranger);

  struct Found {
    SpoolSidePtr side;
    std::vector<std::string> names;
  };

  FileSystem& files_;
  const std::shared_ptr<SpoolSides> sides_;
  EventLoop& loop_;
  std::uint64_t kept_free_ = 0;
  std::vector<Found> found_;
  std::atomic<bool> unnamed_files_ = true;
  Worker writer_;
  Worker syncer_;
};

}  // namespace brevdue::queue
