// The line that ends an attempt, for each recipient, as Postfix writes it and log tools read it:
//
//   QUEUEID: to=<a@b>, relay=h[ip]:25, conn_use=2, delay=0.42, delays=0.1/0/0.12/0.2, dsn=2.0.0,
//   status=sent (250 2.0.0 Ok)
//
// Pure. Nothing here ends a line; Log makes control characters harmless.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "delivery/outcome.h"
#include "mail/envelope.h"

namespace brevdue::delivery {

// Postfix's delays=a/b/c/d.
struct Delays {
  std::chrono::microseconds before_qmgr{};   // a: from arrival until qmgr handed the job over
  std::chrono::microseconds in_qmgr{};       // b: from there until its attempt began
  std::chrono::microseconds connection{};    // c: lookup, connect, greeting and EHLO
  std::chrono::microseconds transmission{};  // d

  std::chrono::microseconds total() const {
    return before_qmgr + in_qmgr + connection + transmission;
  }
};

struct AttemptFacts {
  std::string relay;      // "h[ip]:port"; empty is printed as "none"
  unsigned conn_use = 1;  // transactions on the connection with this one; printed from 2 on
  Delays delays;
};

std::string log_line(mail::QueueId id, const mail::Recipient& recipient,
                     const RecipientOutcome& outcome, const AttemptFacts& facts);

// Seconds with two significant digits and at most two behind the point: "0.05", "1.2", "120".
std::string delay_text(std::chrono::microseconds delay);

}  // namespace brevdue::delivery
