#include "cli/opened_spool.h"

#include <algorithm>
#include <utility>

#include "daemon/spool.h"
#include "daemon/store_choice.h"

namespace brevdue::cli {

Result<std::unique_ptr<OpenedSpool>> OpenedSpool::open(const config::Config& config,
                                                       RecoveredMessages& messages,
                                                       std::string path) {
  std::unique_ptr<OpenedSpool> spool(new OpenedSpool);
  if (path.empty()) {
    auto paths = daemon::stopped_paths(spool->files_, config);
    if (!paths) return propagate(std::move(paths.error()));
    path = std::move(paths->front());
  }
  auto directory = daemon::open_stopped(spool->files_, config, path);
  if (!directory) return propagate(std::move(directory.error()));
  spool->directory_ = std::make_unique<queue::SpoolDirectory>(std::move(*directory));
  auto store = daemon::make_store(config, spool->directory_->path(), spool->log_, true);
  if (!store) return propagate(std::move(store.error()));
  spool->store_ = std::move(*store);
  if (auto done = spool->store_->start(); !done) return propagate(std::move(done.error()));
  if (auto done = spool->store_->recover(messages); !done) {
    return propagate(std::move(done.error()));
  }
  std::ranges::sort(messages.found, {}, &queue::RecoveredMessage::id);
  return spool;
}

}  // namespace brevdue::cli
