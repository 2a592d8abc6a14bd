#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "config/nearest_name.h"
#include "config/settings.h"
#include "config/units.h"

namespace brevdue::config {

static std::string_view last_part(std::string_view key) {
  return key.substr(key.rfind('.') + 1);
}

static std::string did_you_mean(std::string_view what, std::string_view name,
                                std::span<const std::string_view> candidates) {
  if (const auto meant = nearest_name(name, candidates)) {
    return fmt::format("unknown {} '{}'; did you mean '{}'?", what, name, *meant);
  }
  return fmt::format("unknown {} '{}'; 'brevdue conf --docs' lists them all", what, name);
}

std::string unknown_setting(std::string_view key) {
  std::vector<std::string_view> keys;
  std::vector<std::string_view> same_name;
  for (const Setting& setting : settings()) {
    keys.push_back(setting.key);
    if (last_part(setting.key) == last_part(key)) same_name.push_back(setting.key);
  }
  if (nearest_name(key, keys) || same_name.size() != 1) return did_you_mean("setting", key, keys);
  // The right name in the wrong section.
  return fmt::format("unknown setting '{}'; did you mean '{}'?", key, same_name.front());
}

std::string unknown_section(std::string_view name) {
  std::vector<std::string_view> sections;
  for (const Setting& setting : settings()) {
    const std::string_view section = section_of(setting.key);
    if (!section.empty() && std::ranges::find(sections, section) == sections.end()) {
      sections.push_back(section);
    }
  }
  return did_you_mean("section", name, sections);
}

// Without quotes: it stands in a sentence.
static std::string bound_text(const Setting& setting, std::uint64_t bound) {
  if (setting.kind == Kind::ratio) return fmt::format("{}", static_cast<double>(bound) / 100);
  std::string text = value_text(setting, bound);
  std::erase(text, '"');
  return text;
}

std::string range_of(const Setting& setting) {
  switch (setting.kind) {
    case Kind::text:
    case Kind::texts:
    case Kind::listeners:
      return {};
    case Kind::choice:
      return fmt::format("one of {}", fmt::join(setting.choices, ", "));
    case Kind::count:
    case Kind::size:
    case Kind::duration:
    case Kind::ratio:
      break;
  }
  return fmt::format("{} to {}", bound_text(setting, setting.min),
                     bound_text(setting, setting.max));
}

std::string_view example_of(const Setting& setting) {
  if (setting.default_text == R"("")") return R"("mx.example.org")";
  if (setting.default_text == "[]") return R"(["192.0.2.53"])";
  return setting.default_text;
}

// A TOML basic string.
static std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += fmt::format("\\u{:04X}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string value_text(const Setting& setting, const Value& value) {
  switch (setting.kind) {
    case Kind::text:
      return quoted(std::get<std::string>(value));
    case Kind::texts: {
      std::vector<std::string> entries;
      for (const std::string& text : std::get<std::vector<std::string>>(value)) {
        entries.push_back(quoted(text));
      }
      return fmt::format("[{}]", fmt::join(entries, ", "));
    }
    case Kind::listeners: {
      std::vector<std::string> entries;
      for (const std::string& text : std::get<std::vector<std::string>>(value)) {
        entries.push_back(fmt::format("{{ address = {} }}", quoted(text)));
      }
      return fmt::format("[{}]", fmt::join(entries, ", "));
    }
    case Kind::count:
      return fmt::format("{}", std::get<std::uint64_t>(value));
    case Kind::size: {
      const std::string text = size_text(std::get<std::uint64_t>(value));
      return text.ends_with('B') ? quoted(text) : text;
    }
    case Kind::duration:
      return quoted(duration_text(
          std::chrono::milliseconds(static_cast<std::int64_t>(std::get<std::uint64_t>(value)))));
    case Kind::ratio:
      return fmt::format("{}", std::get<double>(value));
    case Kind::choice:
      return quoted(setting.choices[std::get<std::uint64_t>(value)]);
  }
  return {};
}

}  // namespace brevdue::config
