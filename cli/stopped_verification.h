// Verifies the spool of a daemon that is not running: reads and checks all of it, changes nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "config/config.h"
#include "core/error.h"
#include "ipc/verify_progress.h"

namespace brevdue::cli {

// Calls `on_line` for each thing found and `on_progress` after each piece that was read. At most
// `rate` bytes are read a second, but for the scan that recovery is; 0: no bound.
Result<ipc::VerifyProgress> verify_stopped_spool(
    const config::Config& config, std::uint64_t rate,
    const std::function<void(const std::string&)>& on_line,
    const std::function<void(const ipc::VerifyProgress&)>& on_progress);

}  // namespace brevdue::cli
