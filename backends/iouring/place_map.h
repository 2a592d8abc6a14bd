// Maps places in the log to other places, twelve bytes each: a sorted list for each generation.
// Cheapest when places of a generation are added in ascending order. Not thread-safe.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "backends/iouring/log_record.h"

namespace brevdue::backends {

class PlaceMap {
  static constexpr RecordPlace unused{};  // no message lies in generation 0

  struct Entry {
    std::uint32_t from;
    RecordPlace to;
  };
  using Entries = std::vector<Entry>;
  struct Generation {
    Entries list;
    std::size_t used = 0;
  };

  template <class List>
  static auto at_or_after(List& list, std::uint32_t offset) {
    return std::ranges::lower_bound(list, offset, {}, &Entry::from);
  }

 public:
  void add(RecordPlace from, RecordPlace to) {
    Generation& entries = generations_[from.generation];
    entries.list.insert(at_or_after(entries.list, from.offset), {from.offset, to});
    ++entries.used;
  }

  std::optional<RecordPlace> find(RecordPlace from) const {
    const auto entries = generations_.find(from.generation);
    if (entries == generations_.end()) return std::nullopt;
    const auto at = at_or_after(entries->second.list, from.offset);
    if (at == entries->second.list.end() || at->from != from.offset) return std::nullopt;
    return at->to == unused ? std::nullopt : std::optional(at->to);
  }

  void remove(RecordPlace from) {
    const auto entries = generations_.find(from.generation);
    if (entries == generations_.end()) return;
    auto& [list, used] = entries->second;
    const auto at = at_or_after(list, from.offset);
    if (at == list.end() || at->from != from.offset || at->to == unused) return;
    at->to = unused;
    if (--used == 0) {
      generations_.erase(entries);
    } else if (used < list.size() / 2) {
      std::erase_if(list, [](const Entry& entry) { return entry.to == unused; });
      list.shrink_to_fit();
    }
  }

  bool empty() const { return generations_.empty(); }

 private:
  std::map<std::uint32_t, Generation> generations_;
};

}  // namespace brevdue::backends
