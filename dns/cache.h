// Remembers answers for as long as they allow, in a bounded number of entries; the one used least
// recently goes first. Loop thread only; times are steady.
#pragma once

#include <chrono>
#include <list>
#include <map>
#include <string>
#include <utility>

#include "core/clock.h"
#include "dns/answer.h"

namespace brevdue::dns {

struct CacheOptions {
  std::size_t entries_max = 10'000;
  std::chrono::seconds positive_max{3600};
  std::chrono::seconds negative_max{300};
};

class Cache {
 public:
  explicit Cache(CacheOptions options) : options_(options) {}

  // What is remembered and still good, or null. Valid until the next call.
  const Answer* find(const std::string& name, RecordType type, SteadyTime now);
  // Failures and answers without a TTL are not kept.
  void keep(const std::string& name, RecordType type, const Answer& answer, SteadyTime now);
  std::size_t size() const { return entries_.size(); }

 private:
  using Key = std::pair<std::string, RecordType>;
  struct Entry {
    Answer answer;
    SteadyTime until;
    std::list<Key>::iterator use;
  };

  void erase(std::map<Key, Entry>::iterator at);

  CacheOptions options_;
  std::map<Key, Entry> entries_;
  std::list<Key> uses_;  // most recent first
};

}  // namespace brevdue::dns
