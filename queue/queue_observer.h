// Who is told by the Queue what is queued: the scheduler's owner. Called in the loop's thread.
#pragma once

#include <cstddef>

#include "queue/queued_message.h"

namespace brevdue::queue {

class QueueObserver {
 public:
  virtual ~QueueObserver() = default;
  // A message is durable: it was just enqueued, or recovery found it. Replies of earlier attempts
  // may be missing in its state.
  virtual void queued(const QueuedMessage& message) = 0;
  // The store failed: nothing can be made durable until available() is called.
  virtual void unavailable() = 0;
  virtual void available() = 0;
  // Recovery of what was there at start has ended; `count` messages were found.
  virtual void recovered(std::size_t count) = 0;
};

}  // namespace brevdue::queue
