// The part of Queue that verifies what is queued.
#include <utility>

#include "queue/queue.h"

namespace brevdue::queue {

void Queue::verify(std::vector<mail::QueueId> ids, VerifyDone done) {
  std::vector<Result<Verified>> found(ids.size());
  std::vector<std::pair<std::size_t, Location>> wanted;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto entry = index_.find(ids[i]);
    if (!entry) {
      found[i] = fail(ErrorCode::not_found, ids[i].text());
    } else if (!is_available()) {
      found[i] = fail(ErrorCode::unavailable, "queue");
    } else {
      wanted.emplace_back(i, entry->location);
    }
  }
  if (wanted.empty()) return done(std::move(found));
  reader_.push([this, alive = alive_, store = store_.get(), ids = std::move(ids),
                wanted = std::move(wanted), found = std::move(found),
                done = std::move(done)]() mutable {
    for (const auto& [at, location] : wanted) found[at] = store->verify(ids[at], location);
    loop_.post([this, alive = std::move(alive), ids = std::move(ids), found = std::move(found),
                done = std::move(done)]() mutable {
      if (!*alive) return;
      for (std::size_t i = 0; i < ids.size(); ++i) {
        // What was read of one that has left since says nothing.
        if (!stays(ids[i])) found[i] = fail(ErrorCode::not_found, ids[i].text());
      }
      done(std::move(found));
    });
  });
}

}  // namespace brevdue::queue
