// What the store knows of its segments: which messages in each still live, which other segments the
// tombstones, settlements and survivor lists in it speak about, and where messages went that were
// moved. From that follows which segments may be used again, and which are worth emptying. Pure
// bookkeeping: no I/O, no lock.
//
// A segment is free when it is closed, none of its messages live, and every generation that its
// records speak about is gone from the disk. A checkpoint (FORMAT.md, "Reuse") writes those
// records' meaning again elsewhere; then the segment speaks about nothing. Nothing is free before
// the whole log was scanned.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "backends/iouring/live_set.h"
#include "backends/iouring/log_format.h"
#include "backends/iouring/log_location.h"
#include "backends/iouring/log_record.h"
#include "backends/iouring/relocations.h"

namespace brevdue::backends {

struct Segment {
  SegmentHeader header{};
  std::uint32_t file_size = 0;  // less than header.size if it was cut
  std::uint32_t end = 0;        // where what is durable ends in it, a multiple of log_block
  LiveSet live{};
  std::uint64_t live_bytes = 0;              // of the records of its living messages
  std::set<std::uint32_t> tombstones_of{};   // generations; survivor lists count here too
  std::set<std::uint32_t> settlements_of{};  // generations
  bool closed = true;                        // nothing will be written into it any more
  bool kept = false;                         // part of it could not be read: never used again

  // What is needed to read the settlements in it without the table's lock.
  Segment outline() const {
    return {.header = header, .file_size = file_size, .end = end, .settlements_of = settlements_of};
  }

  void add_live(const std::vector<std::uint32_t>& offsets, std::uint64_t bytes) {
    live.add(offsets);
    live_bytes += bytes;
  }
  // Nothing will be written behind `at` any more.
  void close(std::uint32_t at) {
    closed = true;
    end = at;
    live.shrink();
  }
};

class SegmentTable {
 public:
  using Generation = std::uint32_t;

  Segment& add(Segment segment);
  Segment* find(Generation generation);
  const std::map<Generation, Segment>& segments() const { return segments_; }

  bool is_live(RecordPlace place) const;
  // Where the message lies now that once lay at `location`.
  LogLocation now(LogLocation location) const;
  // The message of which this is the record, of `size` bytes, is gone.
  void discard(RecordPlace place, std::uint32_t size);
  // It was written again, at `to`, and is gone from `from`.
  void moved(RecordPlace from, RecordPlace to, std::uint32_t size);
  // A record in `holder` speaks about `target`.
  void note_tombstone(Generation holder, Generation target);
  // The settlement at `record` is about the message at `target`, and later in the log's order than
  // all before it.
  void note_settlement(RecordPlace record, RecordPlace target);
  // It is one of a checkpoint: later than those in generations up to `through`, and no others.
  void note_checkpointed(RecordPlace record, RecordPlace target, Generation through);
  // Where the latest settlement of a living message lies.
  std::optional<RecordPlace> latest_settlement(RecordPlace message) const;

  // From now on remembers which messages of these generations are settled; one watch at a time.
  void watch(const std::vector<Generation>& generations);
  bool settled_since_watch(RecordPlace place) const { return settled_.contains(place); }
  void end_watch();

  void set_scanned() { scanned_ = true; }
  bool scanned() const { return scanned_; }

  // Generations that may be given up now, oldest first.
  std::vector<Generation> free() const;
  // How many can be given up one after the other.
  std::size_t reclaimable() const;
  // The segment is gone from the disk, or durably blank.
  void remove(Generation generation);

  // Closed segments without a living message that only their records keep from being free.
  std::size_t pinned() const;
  // Closed segments with living messages.
  std::size_t occupied() const;
  Generation newest_closed() const;
  bool has_open() const;
  // Closed segments whose living messages should be written together elsewhere, the emptiest first:
  // so many that what is dead takes no more room than half of what lives, and none before it takes
  // more than all of it, a few segments aside. While room is `tight` next to nothing is left.
  std::vector<Generation> sparse(bool tight) const;

  // A checkpoint that covers all records in closed segments up to `through` is durable.
  void forget_records(Generation through);

 private:
  // Whether the segment is free once those for which `gone` says so are gone.
  template <class Gone>
  bool is_free(const Segment& segment, Gone gone) const;
  template <class Gone>
  bool speaks_of_nothing(const Segment& segment, Gone gone) const;

  std::map<Generation, Segment> segments_;
  Relocations relocations_;
  std::set<Generation> watched_;
  std::set<RecordPlace> settled_;
  bool scanned_ = false;
};

}  // namespace brevdue::backends
