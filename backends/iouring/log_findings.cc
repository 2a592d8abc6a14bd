#include "backends/iouring/log_findings.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace brevdue::backends {

Result<void> LogFindings::take(const LogRecord& record, RecordPlace at) {
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
      std::string short_body;
      std::string_view body = record.first;
      if (replies_ == Replies::left_out) {
        for (mail::RecipientResult& result : settlement->results) result.reply.clear();
        body = short_body = mail::encode(*settlement);
      }
      about.settlements.add({record.target.offset, record.order, at, record.whole, body});
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

std::vector<FoundSettlements::Found> LogFindings::settlements_of(RecordPlace place) const {
  const auto about = generations_.find(place.generation);
  if (about == generations_.end()) return {};
  return about->second.settlements.of(place.offset);
}

std::optional<RecordPlace> LogFindings::latest_settlement(RecordPlace place) const {
  const auto found = settlements_of(place);
  return found.empty() ? std::nullopt : std::optional(found.back().at);
}

mail::DeliveryState LogFindings::state_of(RecordPlace place) const {
  mail::DeliveryState state;
  for (const FoundSettlements::Found& found : settlements_of(place)) {
    const auto settlement = mail::decode_settlement(found.body);
    BREVDUE_ASSERT(settlement.has_value());  // it was when it was taken
    state.apply(*settlement);
  }
  return state;
}

bool LogFindings::misses_some_of(RecordPlace place) const {
  std::uint32_t before = 0;
  for (const FoundSettlements::Found& found : settlements_of(place)) {
    const auto settlement = mail::decode_settlement(found.body);
    BREVDUE_ASSERT(settlement.has_value());
    if (!found.whole && settlement->sequence > before + 1) return true;
    before = settlement->sequence;
  }
  return false;
}

}  // namespace brevdue::backends
