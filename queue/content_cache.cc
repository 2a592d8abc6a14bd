#include "queue/content_cache.h"

namespace brevdue::queue {

void ContentCache::put(mail::QueueId id, const SharedBytes& content) {
  if (content.empty() || bytes_ + content.size() > bytes_max_) return;
  if (contents_.emplace(id, content).second) bytes_ += content.size();
}

SharedBytes ContentCache::get(mail::QueueId id) const {
  const auto at = contents_.find(id);
  return at == contents_.end() ? SharedBytes() : at->second;
}

void ContentCache::erase(mail::QueueId id) {
  const auto at = contents_.find(id);
  if (at == contents_.end()) return;
  bytes_ -= at->second.size();
  contents_.erase(at);
}

}  // namespace brevdue::queue
