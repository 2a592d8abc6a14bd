#include "backends/iouring/log_findings.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace brevdue::backends {

Result<void> LogFindings::take(const LogRecord& record) {
  AboutGeneration& about = generations_[record.target.generation];
  switch (record.type) {
    case RecordType::tombstone:
      about.dead.insert(record.target.offset);
      return {};
    case RecordType::survivors: {
      auto offsets = decode_survivors(record.first);
      if (!offsets) return fail(ErrorCode::corrupt, "survivor list");
      if (about.survivors) {
        std::vector<std::uint32_t> both;
        std::ranges::set_intersection(*about.survivors, *offsets, std::back_inserter(both));
        offsets = std::move(both);
      }
      about.survivors = std::move(offsets);
      return {};
    }
    case RecordType::settlement: {
      auto settlement = mail::decode_settlement(record.first);
      if (!settlement) return propagate(std::move(settlement.error()));
      about.settlements[record.target.offset].push_back(
          {record.order, record.whole, std::move(*settlement)});
      return {};
    }
    case RecordType::message:
      break;
  }
  return fail(ErrorCode::corrupt, "record of an unknown kind");
}

bool LogFindings::is_dead(RecordPlace place) const {
  const auto at = generations_.find(place.generation);
  if (at == generations_.end()) return false;
  const AboutGeneration& about = at->second;
  return about.dead.contains(place.offset) ||
         (about.survivors && !std::ranges::binary_search(*about.survivors, place.offset));
}

const std::vector<LogFindings::Found>* LogFindings::settlements_of(RecordPlace place) const {
  const auto about = generations_.find(place.generation);
  if (about == generations_.end()) return nullptr;
  const auto at = about->second.settlements.find(place.offset);
  return at == about->second.settlements.end() ? nullptr : &at->second;
}

bool LogFindings::has_settlements(RecordPlace place) const {
  return settlements_of(place) != nullptr;
}

mail::DeliveryState LogFindings::state_of(RecordPlace place) const {
  mail::DeliveryState state;
  const std::vector<Found>* found = settlements_of(place);
  if (found == nullptr) return state;
  std::vector<const Found*> in_order;
  in_order.reserve(found->size());
  for (const Found& one : *found) in_order.push_back(&one);
  std::ranges::sort(in_order, {}, [](const Found* one) { return one->order; });
  for (const Found* one : in_order) {
    if (one->whole) state = {};
    state.apply(one->settlement);
  }
  return state;
}

}  // namespace brevdue::backends
