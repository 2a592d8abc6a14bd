// Writes the DSNs that a message's sender is owed, as new messages of the queue. Loop thread only.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "delivery/outcome.h"
#include "mail/dsn.h"
#include "mail/envelope.h"
#include "mail/queue_id.h"
#include "queue/queue.h"

namespace brevdue::daemon {

class NoticeWriter {
 public:
  NoticeWriter(mail::QueueIdSource ids, std::string hostname, const Clock& clock);

  // For those of `recipients` who are owed one. `content` is that of the message, or its beginning;
  // empty if it cannot be read. `retry_until` is for delayed ones.
  std::vector<queue::NewMessage> write(const mail::Envelope& envelope, std::string_view content,
                                       const std::vector<mail::DsnRecipient>& recipients,
                                       WallTime retry_until);

 private:
  mail::QueueIdSource ids_;
  std::string hostname_;
  const Clock& clock_;
};

// What is owed for how an attempt ended: the remote host's own words where it said any, ours in the
// same form where it did not.
mail::DsnRecipient dsn_recipient(const delivery::RecipientOutcome& outcome, mail::DsnAction action,
                                 WallTime now);

}  // namespace brevdue::daemon
