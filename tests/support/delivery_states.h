// What a test may expect of the state that a recovery reports.
#pragma once

#include <cstddef>
#include <string>

#include "mail/settlement.h"

namespace brevdue::tests {

// Whether `recovered` is `expected`, but for replies that were left out.
inline bool is_same_but_for_replies(mail::DeliveryState recovered,
                                    const mail::DeliveryState& expected) {
  for (std::size_t i = 0; i < recovered.results.size() && i < expected.results.size(); ++i) {
    std::string& reply = recovered.results[i].reply;
    if (reply.empty()) reply = expected.results[i].reply;
  }
  return recovered == expected;
}

}  // namespace brevdue::tests
