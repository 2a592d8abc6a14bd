#include "bench/store/named_queue.h"

#include <array>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <stdexcept>

#include <fmt/format.h>
#include <unistd.h>

#include "backends/iouring/log_store.h"
#include "backends/lmdb/lmdb_store.h"
#include "backends/maildir/maildir_store.h"
#include "mirror/mirror_spool.h"

namespace brevdue::bench {

namespace {
template <class Options>
Options options_in(const std::string& path) {
  Options options;
  options.path = path + "/store";
  options.quarantine = path + "/quarantine";
  options.notice = [](const std::string& text) { fmt::print(stderr, "{}\n", text); };
  return options;
}

// Nothing for the name of another backend.
std::optional<backends::MaildirSync> maildir_sync_of(const std::string& backend) {
  if (backend == "maildir") return backends::MaildirSync::automatic;
  if (backend == "maildir-fsync") return backends::MaildirSync::fsync;
  if (backend == "maildir-syncfs") return backends::MaildirSync::syncfs;
  return std::nullopt;
}

// Throws std::runtime_error for a name that is none.
queue::Queue::StoreFactory factory_of(const std::string& path, const std::string& backend) {
  if (backend == "lmdb") {
    return [path] {
      return std::make_unique<backends::LmdbStore>(options_in<backends::LmdbStoreOptions>(path));
    };
  }
  if (const auto sync = maildir_sync_of(backend)) {
    return [path, sync = *sync] {
      auto options = options_in<backends::MaildirStoreOptions>(path);
      options.sync = sync;
      return std::make_unique<backends::MaildirStore>(std::move(options));
    };
  }
  const bool ordinary_calls = backend == "iouring-pwritev2";
  if (!ordinary_calls && backend != "iouring") {
    throw std::runtime_error("no backend is called " + backend);
  }
  return [path, ordinary_calls] {
    auto options = options_in<backends::LogStoreOptions>(path);
    options.force_ordinary_calls = ordinary_calls;
    return std::make_unique<backends::LogStore>(std::move(options));
  };
}
}  // namespace

FreshDirectory::FreshDirectory(std::string path) : path_(std::move(path)) {
  if (std::filesystem::exists(path_)) throw std::runtime_error(path_ + " is there already");
  std::filesystem::create_directories(path_);
}

FreshDirectory::~FreshDirectory() {
  std::error_code ignored;  // Only the disk space is lost.
  std::filesystem::remove_all(path_, ignored);
}

namespace {
std::string own_name(const std::string& parent) {
  return fmt::format("{}/store-bench.{}", parent, ::getpid());
}

// A mirror as qmgr makes it, its sides' records included.
std::shared_ptr<mirror::MirrorSpool> open_mirror(FileSystem& files, const std::string& backend,
                                                 std::array<std::string, 2> paths) {
  mirror::MirrorSpoolOptions options;
  options.paths = std::move(paths);
  options.backend = backend;
  options.store.notice = [](mirror::Notice, const std::string& text) {
    fmt::print(stderr, "{}\n", text);
  };
  options.make_store = [backend](const std::string& path) { return factory_of(path, backend)(); };
  auto opened = mirror::MirrorSpool::open(files, std::move(options));
  if (!opened) throw std::runtime_error(describe(opened.error()));
  return std::move(*opened);
}
}  // namespace

NamedQueue::NamedQueue(const std::string& parent, const std::string& backend,
                       const std::string& second)
    : directory_(own_name(parent)), log_({.program = "store-bench"}, clock_) {
  queue::QueueOptions options;
  queue::Queue::StoreFactory factory;
  if (second.empty()) {
    std::filesystem::create_directory(path() + "/staged");
    std::filesystem::create_directory(path() + "/quarantine");
    auto sides = queue::SingleSpool::open(files_, path());
    if (!sides) throw std::runtime_error(describe(sides.error()));
    options.sides = std::move(*sides);
    factory = factory_of(path(), backend);
  } else {
    second_.emplace(own_name(second));
    auto mirror = open_mirror(files_, backend, {path(), second_->path()});
    options.sides = mirror;
    factory = [mirror] { return mirror->make_store(); };
  }
  queue_ = std::make_unique<queue::Queue>(std::move(options), std::move(factory), files_, clock_,
                                          loop_, log_, *this);
  if (auto started = queue_->start(); !started) {
    throw std::runtime_error(describe(started.error()));
  }
  while (!recovered_) turn();
}

void NamedQueue::turn() {
  loop_.turn();
  if (failed_) throw std::runtime_error("the store failed, see above");
}

void NamedQueue::recovered(std::size_t) {
  recovered_ = true;
}

}  // namespace brevdue::bench
