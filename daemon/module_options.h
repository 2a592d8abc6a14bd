// Turns the config into the Options of each module: the only place that knows both.
#pragma once

#include <memory>

#include "config/config.h"
#include "core/error.h"
#include "daemon/dispatcher.h"
#include "daemon/submission_server.h"
#include "delivery/relay_options.h"
#include "dns/resolver.h"
#include "queue/queue.h"
#include "queue/spool_sides.h"
#include "smtp/server_options.h"

namespace brevdue::daemon {

queue::QueueOptions queue_options(const config::Config& config,
                                  std::shared_ptr<queue::SpoolSides> sides);
DispatcherOptions dispatcher_options(const config::Config& config);
SubmissionOptions submission_options(const config::Config& config);
smtp::ServerOptions server_options(const config::Config& config);
delivery::RelayOptions relay_options(const config::Config& config);
dns::ResolverOptions resolver_options(const config::Config& config);

}  // namespace brevdue::daemon
