#include "config/load.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <thread>
#include <tuple>

#include <fmt/format.h>
#include <unistd.h>

#include "config/address.h"
#include "config/settings.h"
#include "config/value_reader.h"
#include "core/file_system.h"

namespace brevdue::config {

static constexpr std::size_t file_bytes_max = std::size_t{1} << 20;

std::string Problem::describe() const {
  std::string where = file;
  if (line > 0) where += fmt::format(":{}:{}", line, column);
  return key.empty() ? fmt::format("{}: {}", where, text)
                     : fmt::format("{}: {}: {}", where, key, text);
}

Machine this_machine() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') {
    return {"localhost", std::thread::hardware_concurrency()};
  }
  return {name.data(), std::thread::hardware_concurrency()};
}

namespace {

// Reads one document over a Config that already holds the defaults, gathering every problem.
class DocumentReader {
 public:
  DocumentReader(std::string_view file, Config& config) : file_(file), config_(config) {}

  void read(const toml::table& document) {
    read_table(document, "");
    check_order("retry.delay_min", "retry.delay_max");
    check_order("delivery.concurrency_initial", "delivery.concurrency_max");
    check_mirror();
  }
  std::vector<Problem> take_problems() {
    std::ranges::sort(problems_, {}, [](const Problem& problem) {
      return std::tie(problem.line, problem.column, problem.text);
    });
    return std::move(problems_);
  }

 private:
  void read_table(const toml::table& table, std::string_view section);
  void read_node(const std::string& key, const toml::key& name, const toml::node& node);
  void read_listeners(const toml::node& node);
  void read_listener(const toml::node& node, std::vector<std::string>& addresses);
  void check_order(std::string_view smaller, std::string_view larger);
  void check_mirror();
  void problem(std::string_view key, toml::source_position at, std::string text) {
    problems_.push_back({file_, at.line, at.column, std::string(key), std::move(text)});
  }

  std::string file_;
  Config& config_;
  std::vector<Problem> problems_;
  std::map<std::string, toml::source_position, std::less<>> positions_;
  std::set<std::string> endpoints_;  // of the listeners read so far
};

void DocumentReader::read_table(const toml::table& table, std::string_view section) {
  for (const auto& [name, node] : table) {
    const std::string key =
        section.empty() ? std::string(name.str()) : fmt::format("{}.{}", section, name.str());
    read_node(key, name, node);
  }
}

void DocumentReader::read_node(const std::string& key, const toml::key& name,
                               const toml::node& node) {
  if (key == "listen") return read_listeners(node);
  if (name.str().find('.') != std::string_view::npos) {
    return problem(key, name.source().begin,
                   "a name in quotes is taken whole, dots included; write it without quotes");
  }
  const Setting* setting = find_setting(key);
  if (setting != nullptr) {
    auto value = read_value(*setting, node);
    if (!value) return problem(key, value.error().position, std::move(value.error().text));
    positions_[key] = node.source().begin;
    return setting->set(config_, *value);
  }
  if (is_section(key)) {
    if (node.is_table()) return read_table(*node.as_table(), key);
    const auto text =
        fmt::format("this is {}, but '{}' is a section; write [{}] on a line of its own",
                    name_of(node.type()), key, key);
    return problem(key, node.source().begin, text);
  }
  problem(key, name.source().begin, node.is_table() ? unknown_section(key) : unknown_setting(key));
}

void DocumentReader::read_listeners(const toml::node& node) {
  constexpr std::string_view form =
      R"(write [[listen]] on a line of its own and address = "127.0.0.1:25" below it)";
  const toml::array* list = node.as_array();
  if (list == nullptr) {
    return problem("listen", node.source().begin,
                   fmt::format("this is {}; {}", name_of(node.type()), form));
  }
  std::vector<std::string> addresses;
  for (const toml::node& entry : *list) {
    if (entry.is_table()) {
      read_listener(entry, addresses);
    } else {
      problem("listen", entry.source().begin,
              fmt::format("an entry is {}; {}", name_of(entry.type()), form));
    }
  }
  if (list->empty()) {
    return problem("listen", node.source().begin, fmt::format("no listener is left; {}", form));
  }
  find_setting("listen.address")->set(config_, addresses);
}

void DocumentReader::read_listener(const toml::node& node, std::vector<std::string>& addresses) {
  static const Setting& setting = *find_setting("listen.address");
  bool has_address = false;
  for (const auto& [name, value] : *node.as_table()) {
    if (name.str() != "address") {
      const std::string key = fmt::format("listen.{}", name.str());
      problem(key, name.source().begin, unknown_setting(key));
      continue;
    }
    has_address = true;
    if (!value.is_string()) {
      problem(setting.key, value.source().begin,
              fmt::format("this is {}; write a string, such as \"127.0.0.1:25\"",
                          name_of(value.type())));
      continue;
    }
    const std::string& text = value.as_string()->get();
    if (auto checked = setting.check(text); !checked) {
      problem(setting.key, value.source().begin, std::move(checked.error().context));
      continue;
    }
    const auto parsed = parse_socket_address(text);
    const std::string endpoint = fmt::format("{} {}", parsed->host, parsed->port);
    if (parsed->port != 0 && !endpoints_.insert(endpoint).second) {
      problem(setting.key, value.source().begin,
              fmt::format("'{}' is already listened on; remove one of the two", text));
      continue;
    }
    addresses.push_back(text);
  }
  if (!has_address) {
    problem(setting.key, node.source().begin,
            R"(a listener has no address; write address = "127.0.0.1:25" below [[listen]])");
  }
}

// Of two settings in order, the one that the file sets is at fault, or the later of both.
void DocumentReader::check_order(std::string_view smaller, std::string_view larger) {
  const Setting& low = *find_setting(smaller);
  const Setting& high = *find_setting(larger);
  const Value low_value = low.get(config_);
  const Value high_value = high.get(config_);
  const bool read_well = std::ranges::none_of(
      problems_, [&](const Problem& found) { return found.key == smaller || found.key == larger; });
  if (low_value <= high_value || !read_well) return;
  const auto low_at = positions_.find(smaller);
  const auto high_at = positions_.find(larger);
  const bool high_is_set = high_at != positions_.end();
  const auto at = high_is_set ? high_at->second : low_at->second;
  problem(high_is_set ? larger : smaller, at,
          fmt::format("{} ({}) is more than {} ({}); raise the one or lower the other", smaller,
                      value_text(low, low_value), larger, value_text(high, high_value)));
}

void DocumentReader::check_mirror() {
  constexpr std::string_view key = "queue.mirror.paths";
  const std::vector<std::string>& paths = config_.queue.mirror.paths;
  // One that is at fault has been said, and is not among them.
  if (std::ranges::any_of(problems_, [&](const Problem& found) { return found.key == key; }))
    return;
  if (paths.empty()) {
    if (config_.queue.backend != Backend::mirror) return;
    return problem(key, positions_.at("queue.backend"),
                   R"(a mirror needs two directories; write paths = ["/disk1/brevdue", )"
                   R"("/disk2/brevdue"] below [queue.mirror])");
  }
  const toml::source_position at = positions_.at(std::string(key));
  if (paths.size() != 2) {
    return problem(key, at,
                   fmt::format("a mirror has two sides, here are {}; name two directories on "
                               "different disks",
                               paths.size()));
  }
  if (paths[0] == paths[1]) {
    problem(key, at, "both sides are the same directory; name one on another disk");
  }
}

std::expected<toml::table, Problem> parse_document(std::string_view text,
                                                   std::string_view file_name) {
  try {
    return toml::parse(text, file_name);
  } catch (const toml::parse_error& error) {
    const toml::source_position at = error.source().begin;
    return std::unexpected(Problem{std::string(file_name), at.line, at.column, "",
                                   fmt::format("this is not TOML: {}", error.description())});
  }
}

// Every default, read as an operator would write it.
Config table_defaults() {
  std::string text;
  for (const Setting& setting : settings()) {
    if (setting.kind != Kind::listeners) {
      text += fmt::format("{} = {}\n", setting.key, setting.default_text);
    }
  }
  Config config{};
  DocumentReader reader("defaults", config);
  const auto document = parse_document(text, "defaults");
  BREVDUE_ASSERT(document.has_value());
  const Setting& listen = *find_setting("listen.address");
  const auto listeners =
      parse_document(fmt::format("listen = {}\n", listen.default_text), "defaults");
  BREVDUE_ASSERT(listeners.has_value());
  const auto addresses = read_value(listen, *listeners->get("listen"));
  BREVDUE_ASSERT(addresses.has_value());
  listen.set(config, *addresses);
  reader.read(*document);
  BREVDUE_ASSERT(reader.take_problems().empty());
  return config;
}

void choose_for_operator(Config& config, const Machine& machine) {
  const unsigned processes = std::max(1u, machine.cores / 2);
  if (config.hostname.empty()) config.hostname = machine.hostname;
  if (config.delivery.helo_name.empty()) config.delivery.helo_name = config.hostname;
  if (config.smtpd.processes == 0) config.smtpd.processes = processes;
  if (config.delivery.processes == 0) config.delivery.processes = processes;
}

}  // namespace

Loaded parse(std::string_view text, std::string_view file_name, const Machine& machine) {
  auto document = parse_document(text, file_name);
  if (!document) return std::unexpected(std::vector{std::move(document.error())});
  Config config = table_defaults();
  DocumentReader reader(file_name, config);
  reader.read(*document);
  if (auto problems = reader.take_problems(); !problems.empty()) {
    return std::unexpected(std::move(problems));
  }
  choose_for_operator(config, machine);
  return config;
}

Loaded load(const std::string& path, const Machine& machine) {
  RealFileSystem files;
  auto text = read_file(files, AT_FDCWD, path, file_bytes_max);
  if (text) return parse(*text, path, machine);
  const Error error{text.error().code, text.error().os_error, ""};
  const std::string wrong =
      error.code == ErrorCode::too_large
          ? std::string("is larger than 1MiB; this is no config file")
          : fmt::format("cannot be read: {}; name another with -c FILE", brevdue::describe(error));
  return std::unexpected(std::vector{Problem{path, 0, 0, "", wrong}});
}

Config defaults(const Machine& machine) {
  Config config = table_defaults();
  choose_for_operator(config, machine);
  return config;
}

}  // namespace brevdue::config
