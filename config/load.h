// Reads brevdue.toml into a Config, or says everything that is wrong with it at once.
//
// Never throws, never crashes on any input; a file is read up to one mebibyte. What the file leaves
// out has its default. Settings that mean "choose for me" (empty hostname and helo_name, zero
// processes) are replaced by what was chosen, from `machine`.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"

namespace brevdue::config {

inline constexpr std::string_view default_path = "/etc/brevdue/brevdue.toml";

struct Problem {
  std::string file;
  std::uint32_t line = 0;  // from 1; 0: the file as a whole
  std::uint32_t column = 0;
  std::string key;   // dotted; empty where the file is no TOML or cannot be read
  std::string text;  // what is wrong; what to do

  // "FILE:LINE:COLUMN: KEY: what is wrong; what to do"
  std::string describe() const;
  bool operator==(const Problem&) const = default;
};

using Loaded = std::expected<Config, std::vector<Problem>>;  // problems in order of position

struct Machine {
  std::string hostname;
  unsigned cores;
};
Machine this_machine();

Loaded load(const std::string& path, const Machine& machine = this_machine());
Loaded parse(std::string_view text, std::string_view file_name,
             const Machine& machine = this_machine());
// What an empty file gives.
Config defaults(const Machine& machine = this_machine());

}  // namespace brevdue::config
