// Where messages lie that were moved. Who holds a location keeps it for as long as the message
// lives, however often that moves: each place it ever had leads to the next one, and back again so
// that all of them can be forgotten. 24 bytes for each move of a living message. Not thread-safe.
#pragma once

#include "backends/iouring/place_map.h"

namespace brevdue::backends {

class Relocations {
 public:
  void moved(RecordPlace from, RecordPlace to) {
    next_.add(from, to);
    previous_.add(to, from);
  }

  // Where the message lies now that once lay at `place`.
  RecordPlace now(RecordPlace place) const {
    if (next_.empty()) return place;
    while (const auto next = next_.find(place)) place = *next;
    return place;
  }

  // The message that lies at `place` now is gone.
  void forget(RecordPlace place) {
    if (previous_.empty()) return;
    while (const auto previous = previous_.find(place)) {
      previous_.remove(place);
      next_.remove(*previous);
      place = *previous;
    }
  }

  bool empty() const { return next_.empty() && previous_.empty(); }

 private:
  PlaceMap next_;
  PlaceMap previous_;
};

}  // namespace brevdue::backends
