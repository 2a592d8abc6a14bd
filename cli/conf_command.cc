#include <fmt/format.h>
#include <sysexits.h>

#include "cli/commands.h"
#include "cli/read_config.h"
#include "config/print.h"

namespace brevdue::cli {

int conf(const std::string& config_path, const ConfArguments& arguments) {
  const auto show = [](const Result<std::string>& text) {
    if (!text) {
      fmt::print(stderr, "brevdue: {}\n", text.error().context);
      return EX_USAGE;
    }
    fmt::print("{}", *text);
    return 0;
  };
  if (arguments.docs) return show(config::documentation(arguments.keys));
  const config::Config by_default = config::defaults();
  if (arguments.defaults) {
    return show(config::print(by_default, by_default, config::Selection::defaults, arguments.keys));
  }
  const auto config = read_config(config_path);
  if (!config) return EX_CONFIG;
  const auto selection = arguments.changed ? config::Selection::changed : config::Selection::all;
  return show(config::print(*config, by_default, selection, arguments.keys));
}

}  // namespace brevdue::cli
