// An Outcome: how an attempt ended, for each recipient of its job, and what that says of the
// destination.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "mail/settlement.h"

namespace brevdue::delivery {

struct RecipientOutcome {
  std::uint32_t recipient = 0;                                     // index into the envelope
  mail::RecipientStatus status = mail::RecipientStatus::deferred;  // relayed, deferred or failed
  std::string enhanced;                                            // "4.4.1"
  std::string reply;          // as the log shows it in brackets, at most reply_bytes_max
  std::string remote;         // "mx.example.org", of the host that said it; empty: it is ours
  bool remote_reply = false;  // `reply` quotes the remote host: Diagnostic-Code smtp
  bool dsn_relayed = false;  // the next hop offers DSN and was given NOTIFY: no success DSN of ours
};

struct Outcome {
  std::uint64_t attempt = 0;
  // No connection or no greeting: nothing was said of any recipient, the destination has failed.
  bool destination_failed = false;
  // The content did not match its checksum: the message is damaged, not the destination.
  bool content_corrupt = false;
  std::vector<RecipientOutcome> recipients;  // all of the job's, in its order
};

std::string encode(const Outcome& outcome);
Result<Outcome> decode_outcome(std::string_view payload);

}  // namespace brevdue::delivery
