#include "config/print.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "config/settings.h"

namespace brevdue::config {

using Settings = std::vector<const Setting*>;

static bool is_in(std::string_view key, std::string_view section) {
  return key.size() > section.size() && key.starts_with(section) && key[section.size()] == '.';
}

static Result<Settings> select(std::span<const std::string> keys) {
  Settings selected;
  for (const std::string& key : keys) {
    const std::size_t before = selected.size();
    for (const Setting& setting : settings()) {
      const bool named = setting.key == key || is_in(setting.key, key);
      if (named && std::ranges::find(selected, &setting) == selected.end())
        selected.push_back(&setting);
    }
    const bool known = find_setting(key) != nullptr || is_section(key);
    if (selected.size() == before && !known) {
      return fail(ErrorCode::not_found, unknown_setting(key));
    }
  }
  if (keys.empty()) {
    for (const Setting& setting : settings()) selected.push_back(&setting);
  }
  return selected;
}

static std::string_view printed_key(const Setting& setting) {
  return setting.kind == Kind::listeners ? section_of(setting.key) : setting.key;
}

// The default as the table has it ("" and not the name of this machine).
static std::string default_line(const Setting& setting) {
  if (setting.kind != Kind::listeners) {
    return fmt::format("{} = {}\n", setting.key, setting.default_text);
  }
  return fmt::format("listen = [{{ address = {} }}]\n",
                     setting.default_text.substr(1, setting.default_text.size() - 2));
}

Result<std::string> print(const Config& config, const Config& by_default, Selection selection,
                          std::span<const std::string> keys) {
  auto selected = select(keys);
  if (!selected) return propagate(std::move(selected.error()));
  std::string out;
  for (const Setting* setting : *selected) {
    if (selection == Selection::defaults) {
      out += default_line(*setting);
      continue;
    }
    const Value value = setting->get(config);
    if (selection == Selection::changed && value == setting->get(by_default)) continue;
    out += fmt::format("{} = {}\n", printed_key(*setting), value_text(*setting, value));
  }
  return out;
}

std::string effective(const Config& config) {
  auto text = print(config, config, Selection::all);
  BREVDUE_ASSERT(text.has_value());
  return std::move(*text);
}

// Lines of at most `width` columns, each with `prefix` in front and a line end.
static std::string wrapped(std::string_view text, std::string_view prefix, std::size_t width) {
  std::string out;
  std::string line(prefix);
  while (!text.empty()) {
    const auto space = text.find(' ');
    const std::string_view word = text.substr(0, space);
    const bool first = line.size() == prefix.size();
    if (!first && line.size() + 1 + word.size() > width) {
      out += line + '\n';
      line = fmt::format("{}{}", prefix, word);
    } else {
      line += fmt::format("{}{}", first ? "" : " ", word);
    }
    text = space == std::string_view::npos ? std::string_view{} : text.substr(space + 1);
  }
  return out + line + '\n';
}

static std::string_view kind_text(Kind kind) {
  switch (kind) {
    case Kind::text:
      return "text";
    case Kind::texts:
      return "list of texts";
    case Kind::count:
      return "number";
    case Kind::size:
      return "size";
    case Kind::duration:
      return "duration";
    case Kind::ratio:
      return "fraction";
    case Kind::choice:
      return "choice";
    case Kind::listeners:
      return "text, one in each [[listen]]";
  }
  return "";
}

// "size, 16MiB to 4GiB"
static std::string type_text(const Setting& setting) {
  const std::string range = range_of(setting);
  if (range.empty()) return std::string(kind_text(setting.kind));
  return fmt::format("{}, {}", kind_text(setting.kind), range);
}

Result<std::string> documentation(std::span<const std::string> keys) {
  auto selected = select(keys);
  if (!selected) return propagate(std::move(selected.error()));
  std::string out;
  for (const Setting* setting : *selected) {
    if (!out.empty()) out += '\n';
    out += default_line(*setting);
    out += fmt::format("    ({})\n", type_text(*setting));
    out += wrapped(setting->documentation, "    ", 80);
  }
  return out;
}

std::string default_file() {
  std::string out =
      "# Settings of Brevdue. Each line that begins with '#' and a name shows a default; take the\n"
      "# '#' away to change it. Durations have a unit: ms, s, m, h, d. Sizes are bytes, or have "
      "one:\n"
      "# KiB, MiB, GiB, TiB by 1024, kB, MB, GB, TB by 1000. 'brevdue check' finds mistakes,\n"
      "# 'brevdue conf -n' prints what differs from the defaults, 'systemctl reload brevdue' "
      "takes\n"
      "# changes over. brevdue.toml(5) is this text as a man page.\n";
  std::string_view section;
  for (const Setting& setting : settings()) {
    const std::string_view own = section_of(setting.key);
    if (own != section && setting.kind != Kind::listeners) out += fmt::format("\n[{}]\n", own);
    section = own;
    out += '\n';
    out += wrapped(fmt::format("{} ({})", setting.documentation, type_text(setting)), "# ", 100);
    if (setting.kind == Kind::listeners) {
      out += fmt::format("#[[listen]]\n#address = {}\n",
                         setting.default_text.substr(1, setting.default_text.size() - 2));
    } else {
      out += fmt::format("#{} = {}\n", setting.key.substr(own.empty() ? 0 : own.size() + 1),
                         setting.default_text);
    }
  }
  return out;
}

static std::string scdoc_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '*' || c == '_') out += '\\';
    out += c;
  }
  return out;
}

std::string man_page_source() {
  std::string out =
      "brevdue.toml(5)\n\n# NAME\n\nbrevdue.toml - settings of the Brevdue mail transfer agent\n\n"
      "# SYNOPSIS\n\n/etc/brevdue/brevdue.toml\n\n# DESCRIPTION\n\n"
      "A TOML file. Every setting has a default, so that an empty file is valid. Unknown names "
      "and\n"
      "values out of range are errors: *brevdue check* prints them all, each with line and "
      "column.\n"
      "A setting written as *queue.path* below stands as *path* in the section *[queue]*, or as\n"
      "*queue.path* before the first section.\n\n"
      "Durations are a whole number and a unit: \"250ms\", \"30s\", \"5m\", \"4h\", \"5d\". Sizes "
      "are a\n"
      "number of bytes, or text with a unit: KiB, MiB, GiB, TiB (by 1024), kB, MB, GB, TB (by "
      "1000).\n\n"
      "SIGHUP (*systemctl reload brevdue*) makes the master read the file again; if it has "
      "errors,\n"
      "they are logged and the settings in force stay.\n\n# SETTINGS\n";
  for (const Setting& setting : settings()) {
    const std::string value(setting.default_text);
    out += fmt::format("\n*{}*\n\tDefault: {} ({})\n\n", scdoc_escaped(setting.key),
                       scdoc_escaped(value.size() > 2 || value[0] != '"' ? value : "empty"),
                       scdoc_escaped(type_text(setting)));
    out += wrapped(scdoc_escaped(setting.documentation), "\t", 98);
  }
  out +=
      "\n# EXAMPLE\n\n```\nhostname = \"mx.example.org\"\nmynetworks = [\"127.0.0.0/8\", "
      "\"::1/128\", "
      "\"192.0.2.0/24\"]\n[queue]\nbackend = \"lmdb\"\n[[listen]]\naddress = \"192.0.2.1:25\"\n"
      "[delivery]\nrelay_host = \"smart.example.org:587\"\n```\n\n# SEE ALSO\n\n*brevdue*(8)\n";
  return out;
}

}  // namespace brevdue::config
