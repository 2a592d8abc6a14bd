// A queued message as it is while somebody works with it: its envelope, which never changes, and
// what became of its recipients so far. Owned by the Queue, shared with those who loaded it,
// changed by nobody but the Queue; loop thread only.
#pragma once

#include <cstdint>
#include <memory>

#include "core/shared_bytes.h"
#include "mail/queue_id.h"
#include "mail/settlement.h"

namespace brevdue::queue {

struct QueuedMessage {
  mail::QueueId id;
  SharedBytes envelope;  // mail::encode of it; it has been decoded once, so that it can be again
  mail::DeliveryState state;
  std::uint64_t size = 0;  // of the content, bytes
  std::uint32_t recipient_count = 0;
  std::uint32_t next_sequence = 1;  // of its next settlement
  bool lacks_replies = false;       // recovered without them: the store has them
};

using MessagePtr = std::shared_ptr<const QueuedMessage>;

}  // namespace brevdue::queue
