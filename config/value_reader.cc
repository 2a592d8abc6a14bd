#include "config/value_reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "config/nearest_name.h"
#include "config/units.h"

namespace brevdue::config {

using Read = std::expected<Value, ValueFault>;

static std::unexpected<ValueFault> fault(const toml::node& node, std::string text) {
  return std::unexpected(ValueFault{std::move(text), node.source().begin});
}

std::string_view name_of(toml::node_type type) {
  switch (type) {
    case toml::node_type::none:
      break;
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "a list";
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a fraction";
    case toml::node_type::boolean:
      return "a boolean";
    case toml::node_type::date:
      return "a date";
    case toml::node_type::time:
      return "a time";
    case toml::node_type::date_time:
      return "a date and time";
  }
  return "nothing";
}

// Wrong type: names what is there and shows what could be.
static Read wrong_type(const Setting& setting, const toml::node& node, std::string_view wanted) {
  return fault(node, fmt::format("this is {}; write {}, such as {}", name_of(node.type()), wanted,
                                 example_of(setting)));
}

static Read checked_text(const Setting& setting, const toml::node& node) {
  std::string text = node.as_string()->get();
  if (setting.check != nullptr) {
    if (auto checked = setting.check(text); !checked) return fault(node, checked.error().context);
  }
  return text;
}

static Read read_texts(const Setting& setting, const toml::node& node) {
  const toml::array* list = node.as_array();
  if (list == nullptr) return wrong_type(setting, node, "a list of strings");
  std::vector<std::string> texts;
  for (const toml::node& entry : *list) {
    if (!entry.is_string()) {
      return fault(entry, fmt::format("an entry is {}; write strings, such as {}",
                                      name_of(entry.type()), example_of(setting)));
    }
    auto text = checked_text(setting, entry);
    if (!text) return text;
    texts.push_back(std::get<std::string>(*text));
  }
  return texts;
}

static Read read_choice(const Setting& setting, const toml::node& node) {
  if (!node.is_string()) return wrong_type(setting, node, "a string");
  const std::string& text = node.as_string()->get();
  for (std::size_t i = 0; i < setting.choices.size(); ++i) {
    if (setting.choices[i] == text) return std::uint64_t{i};
  }
  std::string wrong = fmt::format("'{}' is not one of {}", text, fmt::join(setting.choices, ", "));
  if (const auto meant = nearest_name(text, setting.choices)) {
    wrong += fmt::format("; did you mean '{}'?", *meant);
  } else {
    wrong += fmt::format("; write one of them, such as {}", example_of(setting));
  }
  return fault(node, std::move(wrong));
}

static Read in_range(const Setting& setting, const toml::node& node, std::uint64_t value,
                     std::string_view written) {
  if (value < setting.min || value > setting.max) {
    return fault(node, fmt::format("{} is out of range; write {}", written, range_of(setting)));
  }
  if (const std::uint64_t rest = value % setting.multiple_of; rest != 0) {
    return fault(node, fmt::format("{} is not a multiple of {}; write {}", written,
                                   value_text(setting, setting.multiple_of),
                                   value_text(setting, value - rest)));
  }
  return value;
}

static Read read_integer(const Setting& setting, const toml::node& node) {
  const std::int64_t value = node.as_integer()->get();
  const std::string written = fmt::format("{}", value);
  if (value < 0) {
    return fault(node, fmt::format("{} is out of range; write {}", written, range_of(setting)));
  }
  return in_range(setting, node, static_cast<std::uint64_t>(value), written);
}

static Read read_size(const Setting& setting, const toml::node& node) {
  if (node.is_integer()) return read_integer(setting, node);
  if (!node.is_string()) return wrong_type(setting, node, "a size");
  const std::string& text = node.as_string()->get();
  const auto bytes = parse_size(text);
  if (bytes) return in_range(setting, node, *bytes, text);
  return fault(node, fmt::format("'{}' is not a size; write a whole number and a unit (KiB, MiB, "
                                 "GiB, TiB, kB, MB, GB, TB), such as {}",
                                 text, example_of(setting)));
}

static Read read_duration(const Setting& setting, const toml::node& node) {
  if (node.is_integer()) {
    const std::int64_t value = node.as_integer()->get();
    if (value == 0) return in_range(setting, node, 0, "0");
    return fault(node,
                 fmt::format("{0} has no unit; write \"{0}s\" for seconds, or ms, m, h, d", value));
  }
  if (!node.is_string()) return wrong_type(setting, node, "a duration");
  const std::string& text = node.as_string()->get();
  const auto duration = parse_duration(text);
  if (!duration) {
    return fault(node, fmt::format("'{}' is not a duration; write a whole number and a unit (ms, "
                                   "s, m, h, d), such as {}",
                                   text, example_of(setting)));
  }
  return in_range(setting, node, static_cast<std::uint64_t>(duration->count()), text);
}

static Read read_ratio(const Setting& setting, const toml::node& node) {
  if (!node.is_number()) return wrong_type(setting, node, "a number");
  const double value = node.is_integer() ? static_cast<double>(node.as_integer()->get())
                                         : node.as_floating_point()->get();
  const double min = static_cast<double>(setting.min) / 100;
  const double max = static_cast<double>(setting.max) / 100;
  if (value >= min && value <= max) return value;  // false for NaN
  return fault(node, fmt::format("{} is out of range; write {}", value, range_of(setting)));
}

Read read_value(const Setting& setting, const toml::node& node) {
  switch (setting.kind) {
    case Kind::text:
      if (!node.is_string()) return wrong_type(setting, node, "a string");
      return checked_text(setting, node);
    case Kind::texts:
    case Kind::listeners:
      return read_texts(setting, node);
    case Kind::count:
      if (!node.is_integer()) return wrong_type(setting, node, "a whole number");
      return read_integer(setting, node);
    case Kind::size:
      return read_size(setting, node);
    case Kind::duration:
      return read_duration(setting, node);
    case Kind::ratio:
      return read_ratio(setting, node);
    case Kind::choice:
      return read_choice(setting, node);
  }
  return wrong_type(setting, node, "another value");
}

}  // namespace brevdue::config
