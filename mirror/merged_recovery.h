// recover() of a mirror: the first side is scanned into a table, then the second, whose messages
// are merged with it and reported; what only the first has comes last. A side that cannot be
// scanned is left. Used once, in the thread of recover().
#pragma once

#include <map>
#include <memory>
#include <optional>

#include "mirror/mirror_state.h"

namespace brevdue::mirror {

class MergedRecovery {
 public:
  MergedRecovery(MirroredStore::State& state, queue::RecoverySink& sink)
      : state_(state), sink_(sink) {}

  Result<void> run();

 private:
  struct Found {
    queue::Location location;
    std::unique_ptr<mail::DeliveryState> state;  // null: nothing happened to it yet
  };
  class Scan;

  Result<void> scan(std::size_t side, bool keep);
  void begun();
  void keep(queue::RecoveredMessage message);
  void report(std::size_t side, queue::RecoveredMessage message);
  Result<void> report_rest();

  MirroredStore::State& state_;
  queue::RecoverySink& sink_;
  std::map<mail::QueueId, Found> found_;  // by the first side
  bool begun_ = false;
};

}  // namespace brevdue::mirror
