// One batch on its way to both sides: what was asked, what was sent to whom, what each answered,
// and what follows from that. Pure; guarded by its owner.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "mirror/copy_ledger.h"
#include "mirror/location_pairs.h"
#include "queue/store.h"

namespace brevdue::mirror {

inline constexpr std::size_t sides = 2;

// The side cannot be written to, whatever it was asked.
constexpr bool is_of_the_disk(ErrorCode code) {
  return code == ErrorCode::io_failure || code == ErrorCode::unavailable;
}

class MirroredBatch {
 public:
  // Of a side: the discards that take back what only it had room for.
  using TakenBack = std::array<std::vector<queue::Discard>, sides>;

  MirroredBatch(const queue::Batch& batch, queue::BatchDone done);

  // What to send to `side`, with the locations it knows, after `first`, whose results are of no
  // interest. What it does not have it is not asked for; what is being copied to it is kept in
  // `copies`, with this batch's `number`, until kept_is_done().
  queue::Batch batch_for(std::size_t side, std::uint64_t number, const queue::Batch& batch,
                         const LocationPairs& pairs, CopyLedger& copies,
                         std::vector<queue::Discard> first);
  void answer(std::size_t side, queue::BatchResults results);
  void kept_is_done(std::size_t side) { --parts_[side].kept; }
  // The side was left: it was never asked.
  void forget(std::size_t side) { parts_[side] = {}; }

  bool was_sent(std::size_t side) const { return parts_[side].sent; }
  bool answered(std::size_t side) const {
    return parts_[side].results.has_value() && parts_[side].kept == 0;
  }
  // When the first of the sides answered.
  std::optional<std::chrono::steady_clock::time_point> first_answer() const { return first_; }

  // The side that failed, by its answer alone or beside the other's; nothing if none did.
  // `counts`: whose answers matter. `needs_room`: one that must have room where the other has.
  std::optional<std::size_t> failed_side(std::array<bool, sides> counts,
                                         std::optional<std::size_t> needs_room) const;
  // The results of those that count, all of which have answered and none failed. Keeps `pairs`.
  queue::BatchResults merge(std::array<bool, sides> counts, LocationPairs& pairs,
                            TakenBack& taken_back) const;
  // The first batch is the failure itself, what comes after it finds the store unavailable. Content
  // that no side had room for is refused all the same.
  void fail_all(ErrorCode code, const std::string& why);
  void finish(queue::BatchResults results) { done_(std::move(results)); }

 private:
  enum class Kind : std::uint8_t { enqueue, settle, discard };
  struct Asked {
    Kind kind;
    mail::QueueId id;
    queue::Location location;
  };
  struct Part {
    bool sent = false;
    std::size_t kept = 0;              // in the ledger of copies
    std::vector<std::int32_t> places;  // of each that was asked, among what was sent; or none
    std::optional<queue::BatchResults> results;
  };

  static constexpr std::int32_t none = -1;

  bool was_refused(std::size_t index) const;
  // What the side said of it; nothing if it was not asked.
  const Result<queue::Location>* result(std::size_t side, std::size_t index) const;
  Result<queue::Location> merge_one(std::size_t index, std::array<bool, sides> counts,
                                    LocationPairs& pairs, TakenBack& taken_back) const;

  std::vector<Asked> asked_;
  std::array<Part, sides> parts_;
  std::optional<std::chrono::steady_clock::time_point> first_;
  queue::BatchDone done_;
};

}  // namespace brevdue::mirror
