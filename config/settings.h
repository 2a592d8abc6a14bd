// The one table of settings: what may stand in brevdue.toml, with type, default, range and
// documentation. Parsing, range checks, `brevdue conf`, the default file and the man page are all
// made from it; a new setting is one member in config.h and one entry here.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/config.h"
#include "core/error.h"

namespace brevdue::config {

enum class Kind {
  text,       // std::string
  texts,      // std::vector<std::string>
  count,      // std::uint64_t
  size,       // std::uint64_t, bytes
  duration,   // std::uint64_t, milliseconds
  ratio,      // double
  choice,     // std::uint64_t, index into `choices`
  listeners,  // std::vector<std::string>: the addresses of the [[listen]] tables
};

using Value = std::variant<std::string, std::vector<std::string>, std::uint64_t, double>;

// Says what is wrong with a text (or one entry of a list), quoting it, and what to write instead.
using Check = Result<void> (*)(std::string_view);

struct Setting {
  std::string_view key;           // dotted
  Kind kind;                      // decides the alternative of every Value below
  std::string_view default_text;  // as it would stand in the file
  std::string_view documentation;
  Value (*get)(const Config&);
  void (*set)(Config&, const Value&);
  // Inclusive, in the units of the Value; of `ratio` in hundredths.
  std::uint64_t min = 0;
  std::uint64_t max = 0;
  std::uint64_t multiple_of = 1;
  std::span<const std::string_view> choices = {};
  Check check = nullptr;
};

// In the order of the default file: settings without a section first, then section by section.
std::span<const Setting> settings();
// Nullptr if there is none.
const Setting* find_setting(std::string_view key);
// "queue.iouring" of "queue.iouring.segment_size"; empty for "hostname".
std::string_view section_of(std::string_view key);
// Some setting's key starts with `name` and a dot.
bool is_section(std::string_view name);
// "unknown setting 'queue.bakend'; did you mean 'queue.backend'?", the same for a section, or where
// to look if nothing is near.
std::string unknown_setting(std::string_view key);
std::string unknown_section(std::string_view name);

// "16MiB to 4GiB", "1 to 65535", "one of iouring, lmdb, maildir"; empty for texts.
std::string range_of(const Setting& setting);
// A value that could stand in the file, as it would stand there.
std::string_view example_of(const Setting& setting);
// As it would stand in the file; the value has the alternative that the setting's kind asks for.
std::string value_text(const Setting& setting, const Value& value);

}  // namespace brevdue::config
