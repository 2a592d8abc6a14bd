// Recovery of the directory backend: every name that was there when start() returned is read, its
// first 64 KiB at once and its settlements, by several threads, since a cold open costs a wait.
#include <algorithm>
#include <atomic>

#include <fcntl.h>
#include <fmt/format.h>

#include "backends/maildir/maildir_store.h"
#include "backends/maildir/message_file.h"
#include "backends/maildir/message_reading.h"
#include "core/crc32c.h"

namespace brevdue::backends {

using queue::RecoveredMessage;

namespace {
constexpr std::size_t head_size = 64 * 1024;

// A bad sector, or a file that an operator brought back as another user. Too few descriptors or too
// little memory would say nothing about the file.
bool is_of_one_file(ErrorCode code) {
  return code == ErrorCode::io_failure || code == ErrorCode::permission;
}
}  // namespace

struct MaildirStore::Recovery {
  explicit Recovery(queue::RecoverySink& to) : sink(to) {}

  queue::RecoverySink& sink;
  std::mutex mutex;  // the sink, and `error`
  std::atomic<std::size_t> next{0};
  std::optional<Error> error;

  void report(queue::Quarantined damage) {
    const std::lock_guard lock(mutex);
    sink.quarantined(std::move(damage));
  }
};

Result<void> MaildirStore::recover(queue::RecoverySink& sink) {
  {
    const std::lock_guard lock(mutex_);
    recovering_ = true;
  }
  sink.begun();
  Recovery recovery(sink);
  // Names in the order of their ids: neighbours lie together on the disk.
  std::ranges::sort(found_);
  const auto run = [this, &recovery] {
    while (!cancelled_) {
      const std::size_t at = recovery.next++;
      if (at >= found_.size()) return;
      recover_one(found_[at], recovery);
    }
  };
  std::vector<std::thread> readers;
  const std::size_t wanted = std::min<std::size_t>(options_.recovery_threads, found_.size() / 64);
  for (std::size_t i = 0; i < wanted; ++i) readers.emplace_back(run);
  run();
  for (std::thread& reader : readers) reader.join();
  // Under the lock: the destructor may go on as soon as it is given back.
  const std::lock_guard lock(mutex_);
  recovering_ = false;
  recovered_.notify_all();
  if (recovery.error) return std::unexpected(*recovery.error);
  if (cancelled_) return fail(ErrorCode::cancelled, "maildir recovery");
  return {};
}

void MaildirStore::recover_one(const std::string& name, Recovery& recovery) {
  auto message = read_message(name, recovery);
  if (!message) {
    if (message.error().code == ErrorCode::corrupt) {
      return set_aside(name, message.error().context, recovery);
    }
    if (is_of_one_file(message.error().code)) {
      // It may be readable another time; all other mail must not wait for that.
      return recovery.report(
          {options_.path + "/" + name, "left where it is: " + describe(message.error())});
    }
    const std::lock_guard lock(recovery.mutex);
    if (!recovery.error) recovery.error = message.error();
    return;
  }
  if (!*message) return;
  const std::lock_guard lock(recovery.mutex);
  recovery.sink.message(std::move(**message));
}

// Nothing for a file that is no message of ours or is gone again; corrupt for one that is damaged.
Result<std::optional<RecoveredMessage>> MaildirStore::read_message(const std::string& name,
                                                                   Recovery& recovery) {
  const auto id = mail::QueueId::parse(name);
  if (!id) return fail(ErrorCode::corrupt, "its name is no queue id");
  auto fd = files_.open(directory_.get(), name, options_.read_only ? O_RDONLY : O_RDWR, 0);
  if (!fd && fd.error().code == ErrorCode::not_found) return std::nullopt;
  if (!fd) return propagate(std::move(fd.error()), "maildir");
  if (!options_.read_only && !found_are_durable_) {
    if (auto synced = files_.sync(fd->get()); !synced) {
      return propagate(std::move(synced.error()), "maildir " + name);
    }
  }
  // Past the page cache: after a failed sync it holds what the disk does not.
  ::posix_fadvise(fd->get(), 0, 0, POSIX_FADV_DONTNEED);
  auto status = files_.status(fd->get());
  if (!status) return propagate(std::move(status.error()), "maildir " + name);
  std::string head;
  const auto layout = read_head(files_, fd->get(), status->size, head_size, head);
  if (!layout) return propagate(Error(layout.error()), "maildir " + name);
  if (head.size() >= layout->settlements_offset) {
    const std::string_view content =
        std::string_view(head).substr(layout->content_offset, layout->content.length);
    if (crc32c(content) != layout->content.crc32c)
      return fail(ErrorCode::corrupt, "damaged content");
  }
  auto envelope = mail::decode_envelope(layout->envelope);
  if (!envelope || envelope->id != *id) return fail(ErrorCode::corrupt, "holds another message");
  RecoveredMessage message{*id, location_of(*id), SharedBytes(layout->envelope), {}};
  auto state =
      read_state(fd->get(), name, head, layout->settlements_offset, status->size, recovery);
  if (!state) return propagate(std::move(state.error()), "maildir " + name);
  message.state = std::move(*state);
  return message;
}

Result<mail::DeliveryState> MaildirStore::read_state(int fd, const std::string& name,
                                                     std::string_view head, std::uint64_t from,
                                                     std::uint64_t file_size, Recovery& recovery) {
  const std::uint64_t length = file_size - from;
  if (length == 0) return mail::DeliveryState();
  const auto tail = read_tail(files_, fd, head, from, file_size);
  if (!tail) return propagate(Error(tail.error()));
  SettlementTail found = parse_settlements(*tail);
  if (found.damaged > 0) {
    recovery.report({name, fmt::format("{} damaged settlements; the attempts they stood for are "
                                       "repeated",
                                       found.damaged)});
  }
  if (found.whole_bytes < length) {
    const std::string_view rest = std::string_view(*tail).substr(found.whole_bytes);
    auto cut = cut_tail(fd, name, rest, from + found.whole_bytes, recovery);
    if (!cut) return propagate(std::move(cut.error()));
  }
  return std::move(found.state);
}

// The next settlement must follow the whole ones to be found; what is cut off is kept aside.
Result<void> MaildirStore::cut_tail(int fd, const std::string& name, std::string_view tail,
                                    std::uint64_t at, Recovery& recovery) {
  std::string why = fmt::format(
      "{} bytes behind its settlements are no whole record; the attempt "
      "they stood for is repeated",
      tail.size());
  const std::string copy = name + ".tail";
  if (!options_.read_only) {
    auto aside = files_.open(quarantine_.get(), copy, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    const auto kept = aside ? write_all(files_, aside->get(), tail, 0)
                            : Result<void>(std::unexpected(aside.error()));
    if (!kept) why += "; and they cannot be kept: " + describe(kept.error());
    if (auto cut = files_.truncate(fd, at); !cut) return cut;
  }
  recovery.report({options_.read_only ? name : options_.quarantine + "/" + copy, std::move(why)});
  return {};
}

// Damaged, or never finished: nobody can tell, so it is kept where no delivery finds it.
void MaildirStore::set_aside(const std::string& name, const std::string& why, Recovery& recovery) {
  if (!options_.read_only) {
    auto moved = files_.rename(directory_.get(), name, quarantine_.get(), name);
    if (!moved) {
      recovery.report({name, why + "; and it cannot be moved: " + describe(moved.error())});
      return;
    }
  }
  recovery.report({options_.quarantine + "/" + name, why});
}

}  // namespace brevdue::backends
