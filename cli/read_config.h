// The config of a command: loaded, or every problem with it printed on standard error.
#pragma once

#include <cstdio>
#include <optional>
#include <string>
#include <utility>

#include "config/load.h"

namespace brevdue::cli {

inline std::optional<config::Config> read_config(const std::string& path) {
  auto config = config::load(path);
  if (config) return std::move(*config);
  for (const config::Problem& problem : config.error()) {
    std::fprintf(stderr, "%s\n", problem.describe().c_str());
  }
  return std::nullopt;
}

}  // namespace brevdue::cli
