// The settings written out: as lines of TOML with dotted keys (what is printed can be a config file
// and reads back as the same Config), as documentation, as the commented default file, and as the
// source of the man page.
//
// KEY arguments name a setting or a section with all that is in it; no keys mean everything. An
// unknown one is not_found, with the nearest known name in the context.
#pragma once

#include <span>
#include <string>

#include "config/config.h"
#include "core/error.h"

namespace brevdue::config {

enum class Selection {
  all,       // what is in force
  changed,   // what differs from the defaults (conf -n)
  defaults,  // the defaults, whatever is in force (conf -d)
};

// `by_default` is what defaults() says on this machine.
Result<std::string> print(const Config& config, const Config& by_default, Selection selection,
                          std::span<const std::string> keys = {});
// Every setting; `by_default` is not needed.
std::string effective(const Config& config);

// What `conf --docs` shows: key, default, range and meaning.
Result<std::string> documentation(std::span<const std::string> keys = {});

std::string default_file();     // packaging/brevdue.toml
std::string man_page_source();  // packaging/man/brevdue.toml.5.scd, for scdoc

}  // namespace brevdue::config
