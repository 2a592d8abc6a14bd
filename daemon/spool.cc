#include "daemon/spool.h"

#include <utility>

#include <fmt/format.h>

#include "daemon/store_choice.h"

namespace brevdue::daemon {

using config::Backend;

static queue::SpoolOptions options_of(const config::Config& config, const std::string& path) {
  const Backend backend = backend_of_files(config);
  queue::SpoolOptions options;
  options.path = path;
  options.backend = name_of(backend);
  options.backend_version = version_of(backend);
  options.side_of_mirror = config.queue.backend == Backend::mirror;
  return options;
}

std::vector<std::string> spool_paths(const config::Config& config) {
  if (config.queue.backend == Backend::mirror) return config.queue.mirror.paths;
  return {config.queue.path};
}

std::string spool_text(const config::Config& config) {
  return fmt::format("{}", fmt::join(spool_paths(config), " and "));
}

mirror::MirrorSpoolOptions mirror_options(const config::Config& config, const Log& log) {
  const config::MirrorConfig& from = config.queue.mirror;
  mirror::MirrorSpoolOptions options;
  options.paths = {from.paths[0], from.paths[1]};
  options.backend = name_of(from.backend);
  options.backend_version = version_of(from.backend);
  options.store.stall_max = from.stall_max;
  options.store.copy_rate = from.resync_rate;
  options.store.notice = [&log](mirror::Notice kind, const std::string& text) {
    kind == mirror::Notice::news ? log.info(text) : log.error(text);
  };
  options.make_store = [&config, &log](const std::string& spool) {
    return make_store(config, spool, log, false);
  };
  return options;
}

Result<Spool> Spool::open(FileSystem& files, const config::Config& config, const Log& log) {
  Spool spool;
  if (config.queue.backend == Backend::mirror) {
    auto mirror = mirror::MirrorSpool::open(files, mirror_options(config, log));
    if (!mirror) return propagate(std::move(mirror.error()));
    spool.mirror = std::move(*mirror);
    spool.sides = spool.mirror;
    spool.factory = [mirror = spool.mirror] { return mirror->make_store(); };
    return spool;
  }
  auto directory = queue::SpoolDirectory::open(files, options_of(config, config.queue.path));
  if (!directory) return propagate(std::move(directory.error()));
  spool.directory = std::move(*directory);
  auto sides = queue::SingleSpool::open(files, config.queue.path);
  if (!sides) return propagate(std::move(sides.error()));
  spool.sides = std::move(*sides);
  spool.factory = [&config, &log] { return make_store(config, config.queue.path, log, false); };
  return spool;
}

Result<std::vector<std::string>> stopped_paths(FileSystem& files, const config::Config& config) {
  std::vector<std::string> paths = spool_paths(config);
  if (config.queue.backend != Backend::mirror) return paths;
  const auto plan =
      mirror::plan_start({mirror::inspect(files, paths[0]), mirror::inspect(files, paths[1])});
  if (!plan) return propagate(plan.error());
  std::vector<std::string> whole;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    if (plan->sides[i] == mirror::Standing::current) whole.push_back(std::move(paths[i]));
  }
  return whole;
}

Result<queue::SpoolDirectory> open_stopped(FileSystem& files, const config::Config& config,
                                           const std::string& path) {
  queue::SpoolOptions options = options_of(config, path);
  options.read_only = true;
  return queue::SpoolDirectory::open(files, options);
}

}  // namespace brevdue::daemon
