#include "daemon/store_choice.h"

#include <utility>

#include "backends/iouring/log_store.h"
#include "backends/lmdb/lmdb_store.h"
#include "backends/maildir/maildir_store.h"

namespace brevdue::daemon {

using config::Backend;

std::string_view name_of(Backend backend) {
  switch (backend) {
    case Backend::iouring:
      return "iouring";
    case Backend::lmdb:
      return "lmdb";
    case Backend::maildir:
      return "maildir";
    case Backend::mirror:
      return "mirror";
  }
  return "unknown";
}

unsigned version_of(Backend backend) {
  switch (backend) {
    case Backend::iouring:
      return backends::LogStoreOptions::format_version;
    case Backend::lmdb:
      return backends::LmdbStoreOptions::format_version;
    case Backend::maildir:
      return backends::MaildirStoreOptions::format_version;
    case Backend::mirror:
      break;
  }
  return 0;
}

Backend backend_of_files(const config::Config& config) {
  return config.queue.backend == Backend::mirror ? config.queue.mirror.backend
                                                 : config.queue.backend;
}

namespace {
// What all backends are told alike.
template <class Options>
Options common(const config::Config& config, const std::string& spool, const Log& log,
               bool read_only) {
  Options options;
  options.path = spool + "/" + std::string(name_of(backend_of_files(config)));
  options.quarantine = spool + "/quarantine";
  options.reserve = config.queue.reserve;
  options.read_only = read_only;
  options.notice = [&log](const std::string& text) { log.info(text); };
  return options;
}

backends::MaildirSync sync_of(config::MaildirSync sync) {
  switch (sync) {
    case config::MaildirSync::fsync:
      return backends::MaildirSync::fsync;
    case config::MaildirSync::syncfs:
      return backends::MaildirSync::syncfs;
    case config::MaildirSync::automatic:
      break;
  }
  return backends::MaildirSync::automatic;
}
}  // namespace

Result<std::unique_ptr<queue::Store>> make_store(const config::Config& config,
                                                 const std::string& spool, const Log& log,
                                                 bool read_only) {
  const config::QueueConfig& queue = config.queue;
  switch (backend_of_files(config)) {
    case Backend::iouring: {
      auto options = common<backends::LogStoreOptions>(config, spool, log, read_only);
      options.segment_size = static_cast<std::uint32_t>(queue.iouring.segment_size);
      options.spare_segments = queue.iouring.segments_spare;
      return std::make_unique<backends::LogStore>(std::move(options));
    }
    case Backend::lmdb: {
      auto options = common<backends::LmdbStoreOptions>(config, spool, log, read_only);
      options.map_size = queue.lmdb.map_size;
      options.growth_step = queue.lmdb.growth_step;
      return std::make_unique<backends::LmdbStore>(std::move(options));
    }
    case Backend::maildir: {
      auto options = common<backends::MaildirStoreOptions>(config, spool, log, read_only);
      options.sync = sync_of(queue.maildir.sync);
      return std::make_unique<backends::MaildirStore>(std::move(options));
    }
    case Backend::mirror:
      break;
  }
  return fail(ErrorCode::invalid_argument, "queue.backend");
}

}  // namespace brevdue::daemon
