// What the records of the log say about its messages, gathered in any order.
//
// A message is dead if a tombstone names it or a survivor list of its generation leaves it out:
// both stay true for ever, so the order in which they are found does not matter. Settlements are
// applied in the order of the log, whatever the order in which they were found.
#pragma once

#include <map>
#include <optional>
#include <unordered_set>
#include <vector>

#include "backends/iouring/found_settlements.h"
#include "backends/iouring/log_record.h"
#include "core/error.h"
#include "mail/settlement.h"

namespace brevdue::backends {

class LogFindings {
 public:
  // Whether states have the texts of replies, which are most of what they take.
  enum class Replies { kept, left_out };
  explicit LogFindings(Replies replies) : replies_(replies) {}

  // Takes a record other than a message, which lies at `at`; its strings must be intact. corrupt if
  // they make no sense.
  Result<void> take(const LogRecord& record, RecordPlace at);

  bool is_dead(RecordPlace place) const;
  mail::DeliveryState state_of(RecordPlace place) const;
  // By their numbers, whether a settlement before the last one found is missing. So it may look
  // where one was refused, too.
  bool misses_some_of(RecordPlace place) const;
  // Where the last settlement of a message lies, in the log's order; nothing if none was found.
  std::optional<RecordPlace> latest_settlement(RecordPlace place) const;
  // Nothing more will be asked about this generation.
  void forget(std::uint32_t generation) { generations_.erase(generation); }

 private:
  struct AboutGeneration {
    std::unordered_set<std::uint32_t> dead;
    std::optional<std::vector<std::uint32_t>> survivors;
    FoundSettlements settlements;
  };

  std::vector<FoundSettlements::Found> settlements_of(RecordPlace place) const;

  const Replies replies_;
  std::map<std::uint32_t, AboutGeneration> generations_;
};

}  // namespace brevdue::backends
