// Settlements of the messages of one generation, as they are found in the log in any order: kept
// encoded, some forty bytes each, and without those that a later whole one makes superfluous. One
// thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "backends/iouring/log_record.h"

namespace brevdue::backends {

class FoundSettlements {
 public:
  struct Found {
    std::uint32_t message = 0;  // offset of the message's record
    LogOrder order;
    RecordPlace at;  // where the settlement lies
    bool whole = false;
    std::string_view body;  // mail::encode of it
  };

  void add(const Found& found);
  // Those of one message in the order of the log, from the last whole one on. Views live until the
  // next add().
  std::vector<Found> of(std::uint32_t message) const;
  // What it takes.
  std::size_t memory() const;

 private:
  void append(const Found& found);
  // By message, then by order, from the last whole one of each message on.
  std::vector<Found> needed() const;
  void drop_superfluous();

  std::vector<std::string> chunks_;  // each of its full capacity from the start
  std::size_t bytes_ = 0;
  std::size_t drop_at_ = 256 * 1024;
  mutable std::vector<Found> index_;  // needed(), made when it is asked for
  mutable bool is_indexed_ = false;
};

}  // namespace brevdue::backends
