// The spool that the config names: one directory, or the two of a mirror.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "config/config.h"
#include "core/file_system.h"
#include "core/log.h"
#include "mirror/mirror_spool.h"
#include "queue/queue.h"
#include "queue/spool_directory.h"
#include "queue/spool_sides.h"

namespace brevdue::daemon {

// "/a and /b" of a mirror.
std::string spool_text(const config::Config& config);
// Both of a mirror's.
std::vector<std::string> spool_paths(const config::Config& config);
mirror::MirrorSpoolOptions mirror_options(const config::Config& config, const Log& log);

// Held by qmgr: locked as long as it lives. `config` and `log` must outlive it.
struct Spool {
  static Result<Spool> open(FileSystem& files, const config::Config& config, const Log& log);

  std::optional<queue::SpoolDirectory> directory;  // nothing: it is a mirror
  std::shared_ptr<mirror::MirrorSpool> mirror;     // null: it is not
  std::shared_ptr<queue::SpoolSides> sides;
  queue::Queue::StoreFactory factory;
};

// Of a stopped spool: its directory; of a mirror those of the sides that have everything, at least
// one. Errors: as of plan_start().
Result<std::vector<std::string>> stopped_paths(FileSystem& files, const config::Config& config);
// One of them, for reading.
Result<queue::SpoolDirectory> open_stopped(FileSystem& files, const config::Config& config,
                                           const std::string& path);

}  // namespace brevdue::daemon
