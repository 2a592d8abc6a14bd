#include "backends/lmdb/lmdb_examination.h"

#include <cstdlib>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "backends/lmdb/lmdb_rebuild.h"
#include "backends/lmdb/lmdb_salvage.h"

namespace brevdue::backends {

namespace {
std::string mark_of(const std::string& path) {
  return path + "/damaged";
}

bool exists(const std::string& path) {
  return ::access(path.c_str(), F_OK) == 0;
}

std::string temporary_directory() {
  const char* named = std::getenv("TMPDIR");
  std::string path = (named != nullptr && *named != '\0' ? named : "/tmp");
  path += "/brevdue-lmdb-XXXXXX";
  return ::mkdtemp(path.data()) == nullptr ? std::string() : path;
}
}  // namespace

LmdbExamination::~LmdbExamination() {
  if (!copy_.empty()) remove_environment(copy_);
}

void LmdbExamination::ask_for_all(const std::string& path) {
  const UniqueFd mark(::open(mark_of(path).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

Result<void> LmdbExamination::run(EnvironmentOptions& options) {
  using Reach = LmdbWalk::Reach;
  auto file = LmdbFile::open(options.path + "/data.mdb");
  found_none_ = !file && file.error().code == ErrorCode::not_found;
  if (found_none_) return {};
  if (!file) return propagate(std::move(file.error()));
  // The very first start was cut off before there was anything.
  if (file->pages() == 0 && !exists(options.path + "/lock.mdb")) return {};
  const auto meta = newest_meta(*file);
  if (!meta) return build_anew(*file, options);
  const std::atomic<bool> never{false};
  LmdbWalk outline(*file, Reach::branches, never);
  outline.run(*meta, [](LmdbTree, const NodePage&) {});
  if (!outline.faults().empty()) return build_anew(*file, options);
  const bool asked = exists(mark_of(options.path));
  if (outline.size() > pages_at_start_ && !asked && !options.read_only) {
    meta_ = meta;
    return {};
  }
  LmdbWalk everything(*file, Reach::values, never);
  everything.run(*meta, [](LmdbTree, const NodePage&) {});
  if (!everything.faults().empty()) return build_anew(*file, options);
  if (asked && !options.read_only) ::unlink(mark_of(options.path).c_str());
  return {};
}

Result<void> LmdbExamination::build_anew(const LmdbFile& file, EnvironmentOptions& options) {
  LmdbSalvage salvage(file);
  salvage.run();
  damage_ = salvage.damage();
  EnvironmentOptions fresh = options;
  fresh.reserve = 0;
  // It may be full, and what is admitted is less than what fits.
  fresh.map_size *= 2;
  fresh.read_only = false;
  fresh.durable = !options.read_only;
  fresh.path = options.read_only ? temporary_directory() : options.path + "/anew";
  if (fresh.path.empty()) return fail(ErrorCode::io_failure, "lmdb: no temporary directory");
  if (options.read_only) copy_ = fresh.path;
  if (auto built = rebuild(salvage, fresh); !built) {
    return propagate(std::move(built.error()),
                     "lmdb: data.mdb is damaged, and cannot be built anew in " + fresh.path);
  }
  const std::string found =
      fmt::format("built anew with the {} messages that could be read", salvage.envelopes().size());
  if (options.read_only) {
    options.path = fresh.path;
    damage_.push_back({"lmdb/data.mdb", "a copy was " + found});
    return {};
  }
  auto kept = replace_environment(options.path, fresh.path, quarantine_);
  if (!kept) return propagate(std::move(kept.error()));
  ::unlink(mark_of(options.path).c_str());
  damage_.push_back({*kept, "lmdb/data.mdb was " + found});
  return {};
}

Result<void> LmdbExamination::look_at_leaves(const std::string& path,
                                             const std::atomic<bool>& cancelled) {
  if (!meta_) return {};
  auto file = LmdbFile::open(path + "/data.mdb");
  if (!file) return propagate(std::move(file.error()));
  LmdbWalk walk(*file, LmdbWalk::Reach::leaves, cancelled);
  walk.run(*meta_, [](LmdbTree, const NodePage&) {});
  if (cancelled) return fail(ErrorCode::cancelled, "lmdb recovery");
  if (walk.faults().empty()) return {};
  ask_for_all(path);
  const PageFault& fault = walk.faults().front();
  return fail(ErrorCode::corrupt, fmt::format("lmdb/data.mdb at byte {}: {}; it is built anew",
                                              fault.page * file->page_size(), fault.what));
}

}  // namespace brevdue::backends
