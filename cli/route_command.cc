// `brevdue route ADDRESS`
#include <string>

#include <fmt/format.h>
#include <sysexits.h>

#include "cli/commands.h"
#include "cli/read_config.h"
#include "daemon/route_finder.h"
#include "mail/envelope.h"

namespace brevdue::cli {

int route(const std::string& config_path, const std::string& address) {
  const auto config = read_config(config_path);
  if (!config) return EX_CONFIG;
  const bool mailbox = address.find('@') != std::string::npos;
  const std::string domain = mailbox ? mail::domain_of(address) : address;
  if (domain.empty()) {
    fmt::print(stderr, "brevdue: \"{}\" names no domain\n", address);
    return EX_USAGE;
  }
  auto found = daemon::find_route(*config, domain);
  if (!found) {
    fmt::print(stderr, "brevdue: {}\n", describe(found.error()));
    return EX_DATAERR;
  }
  fmt::print("why: {}\n", found->why);
  if (!found->route) {
    const mail::Reply& reply = found->route.error();
    fmt::print("{}: {}\n", reply.permanent() ? "fails" : "is deferred", reply.line());
    return reply.permanent() ? EX_NOHOST : EX_TEMPFAIL;
  }
  int number = 0;
  for (const delivery::RelayAddress& hop : *found->route)
    fmt::print("{:>3}. {}\n", ++number, hop.relay());
  fmt::print("TLS: none, in clear text\n");
  return 0;
}

}  // namespace brevdue::cli
