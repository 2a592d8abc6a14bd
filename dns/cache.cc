#include "dns/cache.h"

#include <algorithm>

namespace brevdue::dns {

void Cache::erase(std::map<Key, Entry>::iterator at) {
  uses_.erase(at->second.use);
  entries_.erase(at);
}

const Answer* Cache::find(const std::string& name, RecordType type, SteadyTime now) {
  const auto at = entries_.find(Key(name, type));
  if (at == entries_.end()) return nullptr;
  if (at->second.until <= now) {
    erase(at);
    return nullptr;
  }
  uses_.splice(uses_.begin(), uses_, at->second.use);
  return &at->second.answer;
}

void Cache::keep(const std::string& name, RecordType type, const Answer& answer, SteadyTime now) {
  if (answer.kind == Answer::Kind::failure) return;
  const bool positive = answer.kind == Answer::Kind::found || answer.kind == Answer::Kind::alias;
  const auto ttl = std::min(answer.ttl, positive ? options_.positive_max : options_.negative_max);
  if (ttl.count() <= 0 || options_.entries_max == 0) return;
  const Key key(name, type);
  if (const auto old = entries_.find(key); old != entries_.end()) erase(old);
  while (entries_.size() >= options_.entries_max) erase(entries_.find(uses_.back()));
  uses_.push_front(key);
  entries_.emplace(key, Entry{answer, now + ttl, uses_.begin()});
}

}  // namespace brevdue::dns
