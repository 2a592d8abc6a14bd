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
  }
  return 0;
}

namespace {
// What all backends are told alike.
template <class Options>
Options common(const config::QueueConfig& queue, const std::string& spool, const Log& log,
               bool read_only) {
  Options options;
  options.path = spool + "/" + std::string(name_of(queue.backend));
  options.quarantine = spool + "/quarantine";
  options.reserve = queue.reserve;
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
  switch (queue.backend) {
    case Backend::iouring: {
      auto options = common<backends::LogStoreOptions>(queue, spool, log, read_only);
      options.segment_size = static_cast<std::uint32_t>(queue.iouring.segment_size);
      options.spare_segments = queue.iouring.segments_spare;
      return std::make_unique<backends::LogStore>(std::move(options));
    }
    case Backend::lmdb: {
      auto options = common<backends::LmdbStoreOptions>(queue, spool, log, read_only);
      options.map_size = queue.lmdb.map_size;
      options.growth_step = queue.lmdb.growth_step;
      return std::make_unique<backends::LmdbStore>(std::move(options));
    }
    case Backend::maildir: {
      auto options = common<backends::MaildirStoreOptions>(queue, spool, log, read_only);
      options.sync = sync_of(queue.maildir.sync);
      return std::make_unique<backends::MaildirStore>(std::move(options));
    }
  }
  return fail(ErrorCode::invalid_argument, "queue.backend");
}

queue::Queue::StoreFactory store_factory(const config::Config& config, const std::string& spool,
                                         const Log& log) {
  return [&config, spool, &log] { return make_store(config, spool, log, false); };
}

}  // namespace brevdue::daemon
