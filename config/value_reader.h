// One TOML value checked against one setting. Internal to config: the only header with toml++.
#pragma once

#include <expected>
#include <string>

#include <toml++/toml.h>

#include "config/settings.h"

namespace brevdue::config {

struct ValueFault {
  std::string text;
  toml::source_position position;
};

// "an integer", "a table"; for messages.
std::string_view name_of(toml::node_type type);

// The value, of the right type and in range, or what is wrong with it and where. Not for the
// listeners, which are tables.
std::expected<Value, ValueFault> read_value(const Setting& setting, const toml::node& node);

}  // namespace brevdue::config
