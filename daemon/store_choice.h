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

// A store of the configured backend in the spool directory `spool`.
Result<std::unique_ptr<queue::Store>> make_store(const config::Config& config,
                                                 const std::string& spool, const Log& log,
                                                 bool read_only);
queue::Queue::StoreFactory store_factory(const config::Config& config, const std::string& spool,
                                         const Log& log);

}  // namespace brevdue::daemon
