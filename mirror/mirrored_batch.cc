#include "mirror/mirrored_batch.h"

#include <algorithm>
#include <utility>
#include <variant>

namespace brevdue::mirror {

using queue::Batch;
using queue::BatchResults;
using queue::Discard;
using queue::Enqueue;
using queue::Location;
using queue::Settle;

MirroredBatch::MirroredBatch(const Batch& batch, queue::BatchDone done) : done_(std::move(done)) {
  asked_.reserve(batch.size());
  for (const queue::Mutation& mutation : batch) {
    if (const auto* enqueue = std::get_if<Enqueue>(&mutation)) {
      asked_.push_back({Kind::enqueue, enqueue->id, {}});
    } else if (const auto* settle = std::get_if<Settle>(&mutation)) {
      asked_.push_back({Kind::settle, settle->id, settle->location});
    } else {
      const auto& discard = std::get<Discard>(mutation);
      asked_.push_back({Kind::discard, discard.id, discard.location});
    }
  }
}

Batch MirroredBatch::batch_for(std::size_t side, std::uint64_t number, const Batch& batch,
                               const LocationPairs& pairs, CopyLedger& copies,
                               std::vector<Discard> first) {
  Part& part = parts_[side];
  part.sent = true;
  Batch translated;
  translated.reserve(first.size() + batch.size());
  for (Discard& discard : first) translated.emplace_back(discard);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    std::optional<Location> at;
    if (asked_[i].kind != Kind::enqueue) {
      const bool kept = copies.keep(side, asked_[i].id, batch[i], number);
      part.kept += kept ? 1 : 0;
      const auto pair = pairs.find(asked_[i].id, asked_[i].location);
      if (pair) at = (*pair)[side];
      if (!at || kept) {
        part.places.push_back(none);
        continue;
      }
    }
    part.places.push_back(static_cast<std::int32_t>(translated.size()));
    translated.push_back(batch[i]);
    if (auto* settle = std::get_if<Settle>(&translated.back())) settle->location = *at;
    if (auto* discard = std::get_if<Discard>(&translated.back())) discard->location = *at;
  }
  return translated;
}

void MirroredBatch::answer(std::size_t side, BatchResults results) {
  parts_[side].results = std::move(results);
  if (!first_) first_ = std::chrono::steady_clock::now();
}

const Result<Location>* MirroredBatch::result(std::size_t side, std::size_t index) const {
  const Part& part = parts_[side];
  const std::int32_t place = part.places[index];
  if (place == none) return nullptr;
  BREVDUE_ASSERT(static_cast<std::size_t>(place) < part.results->size());
  return &(*part.results)[static_cast<std::size_t>(place)];
}

std::optional<std::size_t> MirroredBatch::failed_side(std::array<bool, sides> counts,
                                                      std::optional<std::size_t> needs_room) const {
  for (std::size_t side = 0; side < sides; ++side) {
    if (!counts[side] || !answered(side)) continue;
    const bool failed =
        std::ranges::any_of(*parts_[side].results, [](const Result<Location>& result) {
          return !result && is_of_the_disk(result.error().code);
        });
    if (failed) return side;
  }
  if (!counts[0] || !counts[1] || !answered(0) || !answered(1)) return std::nullopt;
  // What one did and the other could not do sets them apart, but for content without room.
  for (std::size_t i = 0; i < asked_.size(); ++i) {
    const auto* a = result(0, i);
    const auto* b = result(1, i);
    if (a == nullptr || b == nullptr || a->has_value() == b->has_value()) continue;
    const ErrorCode code = a->has_value() ? b->error().code : a->error().code;
    const std::size_t side = a->has_value() ? 1 : 0;
    const bool full = asked_[i].kind == Kind::enqueue && code == ErrorCode::storage_full;
    if (!full || side == needs_room) return side;
  }
  return std::nullopt;
}

Result<Location> MirroredBatch::merge_one(std::size_t index, std::array<bool, sides> counts,
                                          LocationPairs& pairs, TakenBack& taken_back) const {
  const Asked& asked = asked_[index];
  LocationPairs::Pair found;
  std::optional<Error> refused;
  for (std::size_t side = 0; side < sides; ++side) {
    if (!counts[side]) continue;
    const auto* one = result(side, index);
    if (one == nullptr) continue;
    if (one->has_value()) {
      found[side] = one->value();
    } else {
      refused = one->error();
    }
  }
  if (asked.kind == Kind::enqueue) {
    if (!refused) return pairs.add(asked.id, found);
    for (std::size_t side = 0; side < sides; ++side) {
      if (found[side]) taken_back[side].push_back({asked.id, *found[side]});
    }
    return std::unexpected(std::move(*refused));
  }
  if (refused) return std::unexpected(std::move(*refused));
  if (asked.kind == Kind::discard) {
    pairs.remove(asked.id, asked.location);
  } else if (auto pair = pairs.find(asked.id, asked.location); pair) {
    // A side that was not asked may have got it meanwhile.
    for (std::size_t side = 0; side < sides; ++side) {
      if (found[side]) (*pair)[side] = found[side];
    }
    pairs.set(asked.id, asked.location, *pair);
  }
  return asked.location;
}

BatchResults MirroredBatch::merge(std::array<bool, sides> counts, LocationPairs& pairs,
                                  TakenBack& taken_back) const {
  BatchResults results;
  results.reserve(asked_.size());
  for (std::size_t i = 0; i < asked_.size(); ++i) {
    results.push_back(merge_one(i, counts, pairs, taken_back));
  }
  return results;
}

// Nobody has it, and nobody will: it is not in doubt.
bool MirroredBatch::was_refused(std::size_t index) const {
  bool refused = false;
  for (std::size_t side = 0; side < sides; ++side) {
    if (!was_sent(side)) continue;
    if (!parts_[side].results) return false;
    const auto* one = result(side, index);
    if (one == nullptr || *one || one->error().code != ErrorCode::storage_full) return false;
    refused = true;
  }
  return refused;
}

void MirroredBatch::fail_all(ErrorCode code, const std::string& why) {
  BatchResults results;
  results.reserve(asked_.size());
  for (std::size_t i = 0; i < asked_.size(); ++i) {
    if (was_refused(i)) {
      results.push_back(fail(ErrorCode::storage_full, why));
    } else {
      results.push_back(fail(code, why));
    }
  }
  done_(std::move(results));
}

}  // namespace brevdue::mirror
