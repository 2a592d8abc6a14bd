// How the directory backend makes changes durable, from what its file system is and what the
// operator asked for. FORMAT.md has the table and what was measured for it.
//
// Pure. An Error's context names the setting, the file system and the remedy.
#pragma once

#include <cstddef>
#include <limits>

#include "core/error.h"
#include "core/file_system_kind.h"

namespace brevdue::backends {

enum class MaildirSync {
  automatic,  // by the file system and the batch
  fsync,      // each file by itself: for a file system shared with others that write a lot
  syncfs,     // always one syncfs
};

struct SyncStrategy {
  static constexpr std::size_t never = std::numeric_limits<std::size_t>::max();

  // So many changes, and more, share one syncfs; fewer are synced file by file.
  std::size_t syncfs_from = never;
  // A new file's own fsync makes its name durable. The names of others are no part of that: each
  // new file is synced itself, whatever else this file system happens to write with it.
  bool file_keeps_name = false;

  bool file_by_file(std::size_t changes) const { return changes < syncfs_from; }
  bool operator==(const SyncStrategy&) const = default;
};

// `syncfs_works`: it was tried there, or may be taken to work. `unsupported` if syncfs is asked for
// and cannot be had.
Result<SyncStrategy> choose_sync(MaildirSync asked, FileSystemKind kind, bool syncfs_works);

}  // namespace brevdue::backends
