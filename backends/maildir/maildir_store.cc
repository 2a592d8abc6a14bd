#include "backends/maildir/maildir_store.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "backends/maildir/message_file.h"
#include "backends/maildir/message_reading.h"
#include "core/crc32c.h"

namespace brevdue::backends {

using queue::BatchResults;
using queue::Location;

namespace {
#ifdef BREVDUE_MUTANT_MAILDIR_NO_SYNC
constexpr bool syncs = false;
#else
constexpr bool syncs = true;
#endif
// Others fill and free the disk, too.
constexpr std::chrono::seconds room_measured_every{1};

// Errors that say nothing about the device: only the mutation at hand is refused.
bool is_harmless(ErrorCode code) {
  return code == ErrorCode::storage_full || code == ErrorCode::not_found ||
         code == ErrorCode::already_exists || code == ErrorCode::overloaded;
}

// The file system, or what confines the process, does not know the call: nothing has failed.
bool is_refusal(const Error& error) {
  return error.os_error == ENOSYS || error.os_error == EINVAL || error.os_error == EOPNOTSUPP ||
         error.os_error == EPERM;
}

// Whether a DSN may have been written because of it.
bool may_owe_notice(const mail::Settlement& settlement) {
  return settlement.delay_notified ||
         std::ranges::any_of(settlement.results, [](const mail::RecipientResult& result) {
           return result.status != mail::RecipientStatus::deferred;
         });
}

// Whether what the batch adds must be durable before its settlements are written: a cut may keep a
// DSN and forget the failure it reports, never the other way round.
bool adds_before_it_settles(const queue::Batch& batch) {
  const bool adds = std::ranges::any_of(batch, [](const queue::Mutation& mutation) {
    return std::holds_alternative<queue::Enqueue>(mutation);
  });
  return adds && std::ranges::any_of(batch, [](const queue::Mutation& mutation) {
           const auto* settle = std::get_if<queue::Settle>(&mutation);
           return settle != nullptr && may_owe_notice(settle->settlement);
         });
}
}  // namespace

Location MaildirStore::location_of(mail::QueueId id) {
  Location location;
  const std::uint64_t value = id.value();
  std::memcpy(location.bytes.data(), &value, sizeof value);
  return location;
}

// One batch on its way to the disk.
struct MaildirStore::Commit {
  explicit Commit(std::size_t size) : results(size, fail(ErrorCode::io_failure, "maildir")) {}

  BatchResults results;
  std::vector<UniqueFd> open;  // changed files that are synced one by one
  std::size_t changes = 0;
  std::size_t created = 0;
  std::size_t removed = 0;
  std::optional<Error> broken;  // a write or sync failed: nothing of this store is durable now
};

MaildirStore::MaildirStore(MaildirStoreOptions options)
    : files_(real_files_), options_(std::move(options)) {}

MaildirStore::MaildirStore(MaildirStoreOptions options, FileSystem& files)
    : files_(files), options_(std::move(options)) {}

MaildirStore::~MaildirStore() {
  cancelled_ = true;
  {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    recovered_.wait(lock, [this] { return !recovering_; });
  }
  wake_.notify_one();
  if (writer_.joinable()) writer_.join();
}

Result<void> MaildirStore::start() {
  if constexpr (!syncs)
    options_.notice("THIS BUILD DOES NOT SYNC: maildir loses mail, for tests only");
  if (!options_.read_only) {
    auto made = files_.make_directory(AT_FDCWD, options_.path, 0700);
    if (!made && made.error().code != ErrorCode::already_exists) return made;
    auto quarantine = files_.open(AT_FDCWD, options_.quarantine, O_RDONLY | O_DIRECTORY, 0);
    if (!quarantine) return propagate(std::move(quarantine.error()), "maildir quarantine");
    quarantine_ = std::move(*quarantine);
  }
  auto directory = files_.open(AT_FDCWD, options_.path, O_RDONLY | O_DIRECTORY, 0);
  if (!directory) return propagate(std::move(directory.error()), "maildir");
  directory_ = std::move(*directory);
  if (!options_.read_only) {
    if (auto learned = learn_file_system(); !learned) return learned;
  }
  auto names = files_.list(directory_.get(), ".");
  if (!names) return propagate(std::move(names.error()), "maildir");
  found_ = std::move(*names);
  measure_room();
  if (!options_.read_only) writer_ = std::thread([this] { work(); });
  return {};
}

// What a killed process wrote and nobody synced becomes durable before it is reported as queued: by
// the same syncfs that shows whether it works here, else file by file in recover().
Result<void> MaildirStore::learn_file_system() {
  auto kind = files_.kind(directory_.get());
  if (!kind) return propagate(std::move(kind.error()), "maildir");
  kind_ = *kind;
  auto works = try_syncfs();
  if (!works) return propagate(std::move(works.error()), "maildir");
  auto strategy = choose_sync(options_.sync, kind_, *works);
  if (!strategy) return propagate(std::move(strategy.error()));
  strategy_ = *strategy;
  if (is_remote(kind_)) {
    options_.notice(
        fmt::format("queue.path {} is on {}: mail is as safe as the machine that serves it; each "
                    "file is synced by itself, which is slow",
                    options_.path, name_of(kind_)));
  } else if (!*works && options_.sync == MaildirSync::automatic) {
    options_.notice(fmt::format(
        "queue.path {} is on {}, where syncfs cannot be relied on: each file is synced by itself",
        options_.path, name_of(kind_)));
  }
  return try_directory_sync();
}

// False where it is refused or does nothing.
Result<bool> MaildirStore::try_syncfs() {
  if (!syncs) return syncs_as_a_whole(kind_);
  found_are_durable_ = false;
  if (!syncs_as_a_whole(kind_)) return false;
  auto done = files_.sync_file_system(directory_.get());
  if (!done && !is_refusal(done.error())) return propagate(std::move(done.error()));
  found_are_durable_ = done.has_value();
  return found_are_durable_;
}

// Discards need it everywhere. Where no syncfs made this directory's own name durable, its parent's
// sync does.
Result<void> MaildirStore::try_directory_sync() {
  if (!syncs) return {};
  auto done = sync_directory();
  if (done && !found_are_durable_) {
    const auto parent = files_.open(directory_.get(), "..", O_RDONLY | O_DIRECTORY, 0);
    done = parent ? files_.sync(parent->get()) : std::unexpected(parent.error());
  }
  if (done || !is_refusal(done.error())) return done;
  return std::unexpected(Error{
      ErrorCode::unsupported, done.error().os_error,
      fmt::format("queue.backend = \"maildir\": {} is on {}, which does not sync directories; move "
                  "the spool to ext4, xfs or btrfs, or set another queue.backend",
                  options_.path, name_of(kind_))});
}

void MaildirStore::submit(queue::Batch batch, queue::BatchDone done) {
  if (options_.read_only) {
    return done(BatchResults(batch.size(), fail(ErrorCode::unavailable, "maildir is read-only")));
  }
  {
    const std::lock_guard lock(mutex_);
    waiting_.emplace_back(std::move(batch), std::move(done));
  }
  wake_.notify_one();
}

void MaildirStore::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    const auto due = [this] { return stopping_ || !waiting_.empty(); };
    if (!wake_.wait_for(lock, room_measured_every, due)) {
      lock.unlock();
      if (!failed_) measure_room();
      lock.lock();
      continue;
    }
    if (waiting_.empty()) return;
    auto [batch, done] = std::move(waiting_.front());
    waiting_.erase(waiting_.begin());
    lock.unlock();
#ifdef BREVDUE_MUTANT_MAILDIR_EARLY_ANSWER
    BatchResults early;
    for (const auto& one : batch) {
      early.push_back(location_of(std::visit([](const auto& any) { return any.id; }, one)));
    }
    done(std::move(early));
    (void)commit(batch);
#else
    done(commit(batch));
#endif
    lock.lock();
  }
}

BatchResults MaildirStore::commit(const queue::Batch& batch) {
  if (failed_) return BatchResults(batch.size(), fail(ErrorCode::unavailable, "maildir"));
  Commit commit(batch.size());
  const bool in_two_steps = adds_before_it_settles(batch);
  for (std::size_t i = 0; i < batch.size() && !commit.broken; ++i) {
    if (const auto* enqueue = std::get_if<queue::Enqueue>(&batch[i])) add(commit, i, *enqueue);
    const auto* settle = std::get_if<queue::Settle>(&batch[i]);
    if (settle != nullptr && !in_two_steps) append(commit, i, *settle);
  }
  sync_changes(commit);
  for (std::size_t i = 0; i < batch.size() && !commit.broken && in_two_steps; ++i) {
    if (const auto* settle = std::get_if<queue::Settle>(&batch[i])) append(commit, i, *settle);
  }
  sync_changes(commit);
  for (std::size_t i = 0; i < batch.size() && !commit.broken; ++i) {
    if (const auto* discard = std::get_if<queue::Discard>(&batch[i])) remove(commit, i, *discard);
  }
  if (commit.removed > 0 && !commit.broken && syncs) {
    if (auto done = sync_directory(); !done) commit.broken = done.error();
  }
  if (commit.broken) {
    failed_ = true;
    for (auto& result : commit.results) {
      result = std::unexpected(
          Error{ErrorCode::io_failure, commit.broken->os_error, commit.broken->context});
    }
  }
  measure_room();
  return std::move(commit.results);
}

void MaildirStore::add(Commit& commit, std::size_t at, const queue::Enqueue& enqueue) {
  auto written = write_new(commit, enqueue);
  if (written) {
    commit.results[at] = location_of(enqueue.id);
  } else if (is_harmless(written.error().code)) {
    commit.results[at] = std::unexpected(std::move(written.error()));
  } else {
    commit.broken = std::move(written.error());
  }
}

Result<void> MaildirStore::write_new(Commit& commit, const queue::Enqueue& enqueue) {
  if (enqueue.envelope.size() + enqueue.content.size() > room_) {
    return fail(ErrorCode::storage_full, "maildir");
  }
  const std::string name = enqueue.id.text();
  auto fd = files_.open(directory_.get(), name, O_WRONLY | O_CREAT | O_EXCL, 0600);
  if (!fd) return propagate(std::move(fd.error()), "maildir");
  const std::string bytes = encode_message(enqueue.envelope.view(), enqueue.content.view());
  if (auto done = write_all(files_, fd->get(), bytes, 0); !done) {
    // Unfinished, and never acknowledged: recovery must not find it.
    if (auto gone = files_.unlink(directory_.get(), name); !gone) {
      return fail(ErrorCode::io_failure, "maildir " + name + ": unfinished, and it stays");
    }
    return propagate(std::move(done.error()), "maildir " + name);
  }
  ++commit.created;
  return note_change(commit, std::move(*fd));
}

// Files that one syncfs will cover are closed at once: a batch may be larger than the number of
// descriptors that a process may have.
Result<void> MaildirStore::note_change(Commit& commit, UniqueFd fd) {
  constexpr std::size_t open_max = 64;
  ++commit.changes;
  if (strategy_.file_by_file(commit.changes)) {
    commit.open.push_back(std::move(fd));
  } else {
    commit.open.clear();
  }
  return commit.open.size() < open_max ? Result<void>() : sync_open(commit);
}

Result<void> MaildirStore::sync_open(Commit& commit) {
  for (const UniqueFd& fd : std::exchange(commit.open, {})) {
    if (!syncs) continue;
    // Whatever the errno: a sync that failed says nothing about room.
    if (auto done = files_.sync(fd.get()); !done) {
      return fail(ErrorCode::io_failure, describe(done.error()));
    }
  }
  return {};
}

void MaildirStore::append(Commit& commit, std::size_t at, const queue::Settle& settle) {
  const std::string name = settle.id.text();
  std::string record;
  put_record(record, FileRecord::settlement, mail::encode(settle.settlement));
  auto fd = files_.open(directory_.get(), name, O_WRONLY, 0);
  if (!fd && fd.error().code == ErrorCode::not_found) {
    // Discarded before: to replay a settlement is harmless.
    commit.results[at] = settle.location;
    return;
  }
  auto status = fd ? files_.status(fd->get()) : std::unexpected(fd.error());
  if (!status) {
    // Nothing was written yet: too few descriptors, say, refuse this settlement and no more.
    if (!is_harmless(status.error().code)) commit.broken = status.error();
    commit.results[at] = std::unexpected(std::move(status.error()));
    return;
  }
  if (auto done = write_all(files_, fd->get(), record, status->size); !done) {
    // A part of a record would hide the next one.
    const auto undone = files_.truncate(fd->get(), status->size);
    if (!undone || !is_harmless(done.error().code)) commit.broken = done.error();
    commit.results[at] = std::unexpected(std::move(done.error()));
    return;
  }
  commit.results[at] = settle.location;
  if (auto noted = note_change(commit, std::move(*fd)); !noted) commit.broken = noted.error();
}

// What was written since the last time.
void MaildirStore::sync_changes(Commit& commit) {
  const std::size_t changes = std::exchange(commit.changes, 0);
  const std::size_t created = std::exchange(commit.created, 0);
  if (commit.broken || changes == 0 || !syncs) return;
  const bool each = strategy_.file_by_file(changes);
  auto done = each ? sync_open(commit) : files_.sync_file_system(directory_.get());
  // POSIX leaves open whether a file's own sync makes its name durable.
  if (done && each && created > 0 && !strategy_.file_keeps_name) done = sync_directory();
  if (!done) commit.broken = std::move(done.error());
}

// XFS answers 0 to the fsync of a directory after it was shut down, since nothing is pinned any
// more; to open one it says so.
Result<void> MaildirStore::sync_directory() {
  if (auto done = files_.sync(directory_.get()); !done) return done;
  auto alive = files_.open(directory_.get(), ".", O_RDONLY | O_DIRECTORY, 0);
  if (!alive) return fail(ErrorCode::io_failure, "maildir: " + describe(alive.error()));
  return {};
}

void MaildirStore::remove(Commit& commit, std::size_t at, const queue::Discard& discard) {
  auto gone = files_.unlink(directory_.get(), discard.id.text());
  if (!gone && gone.error().code != ErrorCode::not_found) {
    commit.broken = std::move(gone.error());
    return;
  }
  ++commit.removed;
  commit.results[at] = discard.location;
}

void MaildirStore::measure_room() {
  const auto space = files_.free_space(directory_.get());
  // Files take whole blocks: what one message may waste is kept out of the estimate.
  constexpr std::uint64_t slack = 64 * 1024;
  std::uint64_t room = 0;
  if (space && space->inodes > 64 && space->bytes > options_.reserve) {
    room = space->bytes - options_.reserve;
  }
  room_ = room > slack && !options_.read_only ? room - slack : 0;
}

Result<MaildirStore::MessageFile> MaildirStore::open_file(mail::QueueId id,
                                                          const Location& location) {
  if (location != location_of(id))
    return fail(ErrorCode::corrupt, "maildir: not where " + id.text() + " lies");
  auto fd = files_.open(directory_.get(), id.text(), O_RDONLY, 0);
  if (!fd) return propagate(std::move(fd.error()), "maildir");
  auto status = files_.status(fd->get());
  if (!status) return propagate(std::move(status.error()), "maildir " + id.text());
  return MessageFile{std::move(*fd), status->size};
}

// The content is passed over, unless it is so small that it was read with the envelope.
Result<queue::StoredMessage> MaildirStore::look_up(mail::QueueId id, const Location& location) {
  constexpr std::size_t head_size = 16 * 1024;
  const auto file = open_file(id, location);
  if (!file) return propagate(Error(file.error()));
  const std::string name = id.text();
  std::string head;
  const auto layout = read_head(files_, file->fd.get(), file->size, head_size, head);
  if (!layout) return propagate(Error(layout.error()), "maildir " + name);
  const auto own = mail::decode_envelope(layout->envelope);
  if (!own || own->id != id)
    return fail(ErrorCode::corrupt, "maildir " + name + ": another message");
  const auto tail = read_tail(files_, file->fd.get(), head, layout->settlements_offset, file->size);
  if (!tail) return propagate(Error(tail.error()), "maildir " + name);
  SettlementTail settled = parse_settlements(*tail);
  return queue::StoredMessage{SharedBytes(layout->envelope), std::move(settled.state),
                              settled.damaged > 0};
}

Result<SharedBytes> MaildirStore::open(mail::QueueId id, const Location& location) {
  const auto file = open_file(id, location);
  if (!file) return propagate(Error(file.error()));
  const std::string name = id.text();
  auto bytes = std::make_shared_for_overwrite<char[]>(file->size + 1);
  auto size = read_all(files_, file->fd.get(), bytes.get(), file->size, 0);
  if (!size) return propagate(std::move(size.error()), "maildir " + name);
  auto layout = parse_layout(std::string_view(bytes.get(), *size), *size);
  if (!layout) return propagate(std::move(layout.error()), "maildir " + name);
  const std::string_view content(bytes.get() + layout->content_offset, layout->content.length);
  if (crc32c(content) != layout->content.crc32c) {
    return fail(ErrorCode::corrupt, "maildir " + name + ": damaged content");
  }
  auto own = mail::decode_envelope(layout->envelope);
  if (!own || own->id != id)
    return fail(ErrorCode::corrupt, "maildir " + name + ": another message");
  const std::shared_ptr<const char[]> part(bytes, bytes.get() + layout->content_offset);
  return SharedBytes(part, layout->content.length);
}

}  // namespace brevdue::backends
