// Delivery status notifications: what is owed to whom (RFC 3461), and the messages that say so
// (multipart/report of RFC 6522 with the delivery-status of RFC 3464; for internationalized mail
// the forms of RFC 6533).
//
// A notification is an ordinary message from MAILER-DAEMON with the null reverse-path, made whole
// in memory: CRLF line ends, no line over 998 bytes, at most about 128 KiB. Nothing a peer said can
// break out of its field: reply texts are stripped of control characters and folded. Where the
// recipients do not fit into one message there are several. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "mail/envelope.h"
#include "mail/queue_id.h"

namespace brevdue::mail {

enum class DsnAction : std::uint8_t {
  failed,   // will not be tried again
  delayed,  // is still being tried
  relayed,  // was passed to a next hop that does not speak DSN; owed with NOTIFY=SUCCESS
};

// Whether the sender is to be told. Never for the null reverse-path. For `relayed`, the caller asks
// only where the next hop did not offer DSN and so cannot report itself.
bool dsn_owed(const Envelope& original, const Recipient& recipient, DsnAction action);

struct DsnRecipient {
  std::uint32_t recipient;  // index into the original's recipients
  DsnAction action;
  std::string reply{};       // "550 5.1.1 No such user", as settled, or our own reason in that form
  std::string remote_mta{};  // host that gave the reply; empty where the reason is our own
  WallTime last_attempt{};   // epoch: unknown
  bool expired = false;      // failed because it was tried for too long
};

struct DsnRequest {
  const Envelope& original;
  // The original's content or its beginning, with the whole header at least; empty if it cannot be
  // read. It is returned whole only when it is all of it, RET allows it and it is small.
  std::string_view content;
  std::string_view hostname;
  WallTime now{};
  WallTime retry_until{};                   // for `delayed`
  std::size_t returned_bytes_max = 50'000;  // at most 64 KiB are returned whatever this says
};

struct Dsn {
  Envelope envelope;
  std::string content;
};

// Notifications for those of `recipients` who are owed one; none if nobody is.
std::vector<Dsn> make_dsns(const DsnRequest& request, const std::vector<DsnRecipient>& recipients,
                           QueueIdSource& ids);

// What smtpd computes while it reads, for content that was made here.
ContentFacts facts_of(std::string_view content);

}  // namespace brevdue::mail
