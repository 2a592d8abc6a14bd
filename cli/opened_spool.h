// A stopped spool, opened read-only under its lock, with what recovery reports of it.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "config/config.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/file_system.h"
#include "core/log.h"
#include "queue/spool_directory.h"
#include "queue/store.h"

namespace brevdue::cli {

class RecoveredMessages final : public queue::RecoverySink {
 public:
  using OnDamage = std::function<void(const queue::Quarantined&)>;

  explicit RecoveredMessages(OnDamage on_damage) : on_damage_(std::move(on_damage)) {}
  void message(queue::RecoveredMessage message) override { found.push_back(std::move(message)); }
  void quarantined(queue::Quarantined damage) override { on_damage_(damage); }

  std::vector<queue::RecoveredMessage> found;

 private:
  OnDamage on_damage_;
};

class OpenedSpool {
 public:
  // Has recovered into `messages`, which are in the order of their ids. Of a mirror the first side
  // that has everything, or the one at `path`, one of daemon::stopped_paths().
  static Result<std::unique_ptr<OpenedSpool>> open(const config::Config& config,
                                                   RecoveredMessages& messages,
                                                   std::string path = {});

  FileSystem& files() { return files_; }
  const queue::SpoolDirectory& directory() const { return *directory_; }
  queue::Store& store() { return *store_; }

 private:
  OpenedSpool() = default;

  RealFileSystem files_;
  SystemClock clock_;
  Log log_{LogOptions{}, clock_};
  std::unique_ptr<queue::SpoolDirectory> directory_;
  std::unique_ptr<queue::Store> store_;
};

}  // namespace brevdue::cli
