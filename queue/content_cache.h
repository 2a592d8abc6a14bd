// Content just enqueued, kept so that a message relayed at once is never read back: direct I/O
// leaves nothing in the page cache.
//
// Bounded in bytes. What does not fit is not taken in: with a backlog, the oldest content is wanted
// first, and room comes free as it is relayed. Loop thread only.
#pragma once

#include "core/shared_bytes.h"
#include "mail/queue_id_map.h"

namespace brevdue::queue {

class ContentCache {
 public:
  explicit ContentCache(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  void put(mail::QueueId id, const SharedBytes& content);
  // Empty if it is not here; content is never empty, since it begins with a Received header.
  SharedBytes get(mail::QueueId id) const;
  void erase(mail::QueueId id);
  std::size_t bytes() const { return bytes_; }

 private:
  std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  mail::QueueIdMap<SharedBytes> contents_;
};

}  // namespace brevdue::queue
