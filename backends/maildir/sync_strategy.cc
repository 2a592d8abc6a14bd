#include "backends/maildir/sync_strategy.h"

#include <fmt/format.h>

namespace brevdue::backends {

namespace {
// Measured; docs/decisions/maildir-sync-by-file-system.md has the figures.
std::size_t syncfs_from(FileSystemKind kind) {
  // There syncfs also writes metadata to its place, or commits a whole transaction; on xfs it asks
  // the disk for no more than one fsync does.
  const bool costs_more = kind == FileSystemKind::ext4 || kind == FileSystemKind::btrfs;
  return costs_more ? 3 : 2;
}

bool keeps_name_with_file(FileSystemKind kind) {
  return kind == FileSystemKind::ext4 || kind == FileSystemKind::xfs ||
         kind == FileSystemKind::btrfs;
}
}  // namespace

Result<SyncStrategy> choose_sync(MaildirSync asked, FileSystemKind kind, bool syncfs_works) {
  SyncStrategy strategy{.file_keeps_name = keeps_name_with_file(kind)};
  const bool can_syncfs = syncfs_works && syncs_as_a_whole(kind);
  if (asked == MaildirSync::syncfs && !can_syncfs) {
    return fail(
        ErrorCode::unsupported,
        fmt::format("queue.maildir.sync = \"syncfs\": the spool is on {}, where syncfs {}; "
                    "set queue.maildir.sync = \"auto\" or \"fsync\", or move the spool to "
                    "ext4, xfs or btrfs",
                    name_of(kind),
                    syncs_as_a_whole(kind) ? "is refused"
                                           : "does not promise that mail survives a power cut"));
  }
  if (asked == MaildirSync::syncfs) strategy.syncfs_from = 1;
  if (asked == MaildirSync::automatic && can_syncfs) strategy.syncfs_from = syncfs_from(kind);
  return strategy;
}

}  // namespace brevdue::backends
