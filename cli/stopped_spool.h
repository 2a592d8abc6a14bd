// The spool of a daemon that is not running, opened read-only under its lock: what `queue list` and
// `queue show` fall back to.
#pragma once

#include <functional>
#include <string>

#include "config/config.h"
#include "core/error.h"
#include "ipc/control_frames.h"
#include "ipc/queue_entry.h"
#include "mail/queue_id.h"

namespace brevdue::cli {

// Reads the spool and calls `on_entry` for each message, in order of id.
Result<void> list_stopped_spool(const config::Config& config,
                                const std::function<void(const ipc::QueueEntry&)>& on_entry,
                                const std::function<void(const std::string&)>& on_damage);

struct StoppedMessage {
  ipc::QueueEntry entry;
  std::string content;
};
Result<StoppedMessage> read_stopped_message(const config::Config& config, mail::QueueId id);

}  // namespace brevdue::cli
