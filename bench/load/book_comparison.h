// What clients were told against what arrived: the verdict of a kill or cut run.
//
// Pure. The rules are those of ARCHITECTURE.md: every message whose client got 250 arrives
// unaltered; one whose client got no answer, or 4xx to the final dot, may arrive too; nothing else
// arrives. A second arrival of the same message at the same recipient is explained if the client
// had no 250, if the sink kept the first one without answering, or if a cut lies between the two,
// close enough after the first that its result need not have been durable.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "bench/load/book_entries.h"

namespace brevdue::load {

struct ComparisonOptions {
  // "KEY" or "KEY RECIPIENT": accepted, but explained where it is (still queued, bounced).
  std::unordered_set<std::string> elsewhere;
  std::vector<std::int64_t> cuts;  // When processes were killed or the power was cut.
  std::int64_t cut_window =
      1'000'000;                  // Microseconds from an arrival to the cut that explains another.
  bool allow_duplicates = false;  // Count them, but do not call them a fault.
  bool allow_foreign = false;     // The same for messages without a key, such as DSNs.
};

struct Comparison {
  std::uint64_t messages = 0;  // Lines in the clients' books.
  std::uint64_t accepted = 0;  // (message, recipient) pairs with a 250.
  std::uint64_t refused = 0;   // Messages with 4xx or 5xx.
  std::uint64_t unknown = 0;   // Messages without an answer.
  std::uint64_t unsent = 0;
  std::uint64_t arrivals = 0;   // Lines in the sinks' books.
  std::uint64_t elsewhere = 0;  // Accepted pairs that did not arrive and were named as elsewhere.
  std::uint64_t arrived_unknown = 0;   // Pairs that arrived though no answer came.
  std::uint64_t arrived_tempfail = 0;  // Pairs that arrived though the dot was answered 4xx.
  std::uint64_t duplicates_explained = 0;

  std::uint64_t lost = 0;         // 250, but neither arrived nor elsewhere.
  std::uint64_t altered = 0;      // Arrived with other bytes than were sent.
  std::uint64_t duplicates = 0;   // Unexplained second arrivals.
  std::uint64_t unexplained = 0;  // Arrived though refused, or though never sent whole.
  std::uint64_t ghosts = 0;       // A key or a recipient that no client used.
  std::uint64_t foreign = 0;      // No key.

  // The first hundred faults in words.
  std::vector<std::string> faults;

  bool sound(const ComparisonOptions& options) const;
};

Result<Comparison> compare_books(const std::vector<ClientEntry>& client,
                                 const std::vector<SinkEntry>& sink,
                                 const ComparisonOptions& options);

std::string to_json(const Comparison& comparison, bool sound);
std::string to_text(const Comparison& comparison);

}  // namespace brevdue::load
