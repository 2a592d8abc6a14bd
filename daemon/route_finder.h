// What delivery would do with mail for a domain, asked of the same code: for `brevdue route`.
#pragma once

#include <string>

#include "config/config.h"
#include "core/error.h"
#include "delivery/route.h"

namespace brevdue::daemon {

struct FoundRoute {
  std::string why;
  delivery::Route
      route;  // addresses in the order to try, or the reply that says why there are none
};

// Blocks for as long as the name servers take. `invalid_argument` for what is no domain.
Result<FoundRoute> find_route(const config::Config& config, const std::string& domain);

}  // namespace brevdue::daemon
