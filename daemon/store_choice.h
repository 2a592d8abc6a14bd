// The one place that knows which backend a name stands for.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "config/config.h"
#include "core/log.h"
#include "queue/queue.h"
#include "queue/store.h"

namespace brevdue::daemon {

std::string_view name_of(config::Backend backend);
// The version of its format that this build writes.
unsigned version_of(config::Backend backend);

// How the files of the spool are stored: of a mirror, those of its sides.
config::Backend backend_of_files(const config::Config& config);

// A store of that backend in the spool directory `spool`.
Result<std::unique_ptr<queue::Store>> make_store(const config::Config& config,
                                                 const std::string& spool, const Log& log,
                                                 bool read_only);

}  // namespace brevdue::daemon
