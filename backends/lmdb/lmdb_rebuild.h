// Builds an environment anew from what was salvaged of a damaged one.
#pragma once

#include "backends/lmdb/lmdb_environment.h"
#include "backends/lmdb/lmdb_salvage.h"

namespace brevdue::backends {

// In the directory `options.path`, which is made, and emptied first. Durable when it returns.
Result<void> rebuild(const LmdbSalvage& salvaged, const EnvironmentOptions& options);

// Puts the file of `fresh` in the place of that of `path`, of which a name in `quarantine` stays.
// Returns that name. Durable when it returns; cut off, it is one or the other.
Result<std::string> replace_environment(const std::string& path, const std::string& fresh,
                                        const std::string& quarantine);

void remove_files(const std::string& path);
// Forgets what an attempt that was cut off left, or a copy that served its purpose.
void remove_environment(const std::string& path);

}  // namespace brevdue::backends
