#include <utility>

#include <sysexits.h>

#include "cli/commands.h"
#include "cli/read_config.h"
#include "daemon/master.h"

namespace brevdue::cli {

int serve(const std::string& config_path) {
  auto config = read_config(config_path);
  if (!config) return EX_CONFIG;
  daemon::Master master(config_path, std::move(*config));
  return master.run();
}

}  // namespace brevdue::cli
