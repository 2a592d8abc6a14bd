#include "bench/store/named_store.h"

#include <cstdio>
#include <filesystem>
#include <mutex>
#include <set>
#include <stdexcept>

#include <fmt/format.h>
#include <unistd.h>

#include "backends/iouring/log_store.h"
#include "backends/lmdb/lmdb_store.h"
#include "backends/maildir/maildir_store.h"

namespace brevdue::bench {

namespace {
template <class Options>
Options options_in(const std::string& path) {
  Options options;
  options.path = path + "/store";
  options.quarantine = path + "/quarantine";
  options.notice = [](const std::string& text) {
    // Once, though each benchmark opens several stores.
    static std::mutex mutex;
    static std::set<std::string> told;
    const std::lock_guard lock(mutex);
    if (told.insert(text).second) fmt::print(stderr, "{}\n", text);
  };
  return options;
}

std::unique_ptr<queue::Store> make(const std::string& path, const std::string& backend) {
  if (backend == "lmdb") {
    return std::make_unique<backends::LmdbStore>(options_in<backends::LmdbStoreOptions>(path));
  }
  if (backend == "maildir") {
    return std::make_unique<backends::MaildirStore>(
        options_in<backends::MaildirStoreOptions>(path));
  }
  auto options = options_in<backends::LogStoreOptions>(path);
  options.force_ordinary_calls = backend == "iouring-pwritev2";
  if (!options.force_ordinary_calls && backend != "iouring") {
    throw std::runtime_error("no backend is called " + backend);
  }
  return std::make_unique<backends::LogStore>(std::move(options));
}

class NothingExpected final : public queue::RecoverySink {
  void message(queue::RecoveredMessage) override {
    throw std::runtime_error("the directory was not fresh");
  }
  void quarantined(queue::Quarantined) override {}
};
}  // namespace

NamedStore::NamedStore(const std::string& parent, const std::string& backend) {
  path_ = fmt::format("{}/store-bench.{}", parent, ::getpid());
  store_ = make(path_, backend);
  std::filesystem::create_directories(path_ + "/quarantine");
  NothingExpected nothing;
  Result<void> started = store_->start();
  if (started) started = store_->recover(nothing);
  if (!started) throw std::runtime_error(describe(started.error()));
}

NamedStore::~NamedStore() {
  store_.reset();
  std::error_code ignored;  // Only the disk space is lost.
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace brevdue::bench
