// Before liblmdb opens an environment: looks whether its pages can be trusted, and builds it anew
// from what can be read if they cannot. Writer thread, while nobody has it open.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "backends/lmdb/lmdb_environment.h"
#include "backends/lmdb/lmdb_walk.h"
#include "queue/store.h"

namespace brevdue::backends {

class LmdbExamination {
 public:
  LmdbExamination(std::string quarantine, std::uint64_t pages_at_start)
      : quarantine_(std::move(quarantine)), pages_at_start_(pages_at_start) {}
  ~LmdbExamination();
  LmdbExamination(const LmdbExamination&) = delete;
  LmdbExamination& operator=(const LmdbExamination&) = delete;

  // `options.path` becomes that of a copy, if the environment is damaged and must not be changed.
  Result<void> run(EnvironmentOptions& options);
  // Leaves that run() left out, since there are many; the environment may be open by now, with the
  // transaction that was the newest then, or the next, pinned. corrupt if there is damage: the next
  // examination looks at everything.
  Result<void> look_at_leaves(const std::string& path, const std::atomic<bool>& cancelled);
  // The next examination looks at everything.
  static void ask_for_all(const std::string& path);

  // There was no environment.
  bool found_none() const { return found_none_; }
  // What was found and done, for recovery to report.
  const std::vector<queue::Quarantined>& damage() const { return damage_; }

 private:
  Result<void> build_anew(const LmdbFile& file, EnvironmentOptions& options);

  const std::string quarantine_;
  const std::uint64_t pages_at_start_;
  std::optional<MetaPage> meta_;  // where leaves are still to be looked at
  bool found_none_ = false;
  std::string copy_;  // removed in the end
  std::vector<queue::Quarantined> damage_;
};

}  // namespace brevdue::backends
