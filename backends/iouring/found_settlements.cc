#include "backends/iouring/found_settlements.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "core/bytes.h"

namespace brevdue::backends {

namespace {
constexpr std::size_t chunk_min = 1024;
constexpr std::size_t chunk_max = 64 * 1024;

std::string encoded(const FoundSettlements::Found& found) {
  std::string out;
  put(out, found.message);
  put_varint(out, found.order.sequence);
  put(out, found.order.index);
  put(out, found.at.generation);
  put(out, found.at.offset);
  put(out, static_cast<std::uint8_t>(found.whole));
  put_short_string(out, found.body);
  return out;
}

FoundSettlements::Found decoded(ByteReader& in) {
  FoundSettlements::Found found;
  found.message = in.get<std::uint32_t>();
  found.order.sequence = in.get_varint();
  found.order.index = in.get<std::uint32_t>();
  found.at.generation = in.get<std::uint32_t>();
  found.at.offset = in.get<std::uint32_t>();
  found.whole = in.get<std::uint8_t>() != 0;
  found.body = in.get_short_string();
  return found;
}
}  // namespace

void FoundSettlements::add(const Found& found) {
  append(found);
  if (bytes_ < drop_at_) return;
  drop_superfluous();
  drop_at_ = std::max(drop_at_, 2 * bytes_);
}

void FoundSettlements::append(const Found& found) {
  const std::string record = encoded(found);
  if (chunks_.empty() || chunks_.back().capacity() - chunks_.back().size() < record.size()) {
    const std::size_t wanted = std::clamp(bytes_ / 8, chunk_min, chunk_max);
    chunks_.emplace_back().reserve(std::max(wanted, record.size()));
  }
  chunks_.back() += record;
  bytes_ += record.size();
  is_indexed_ = false;
}

std::vector<FoundSettlements::Found> FoundSettlements::needed() const {
  std::vector<Found> found;
  for (const std::string& chunk : chunks_) {
    ByteReader in(chunk);
    while (!in.at_end()) found.push_back(decoded(in));
  }
  std::ranges::sort(found, {}, [](const Found& one) { return std::tuple(one.message, one.order); });
  std::size_t kept = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (found[i].whole) {
      while (kept > 0 && found[kept - 1].message == found[i].message) --kept;
    }
    found[kept++] = found[i];
  }
  found.resize(kept);
  return found;
}

void FoundSettlements::drop_superfluous() {
  const std::vector<Found> found = needed();
  const std::vector<std::string> viewed = std::exchange(chunks_, {});
  bytes_ = 0;
  for (const Found& one : found) append(one);
}

std::vector<FoundSettlements::Found> FoundSettlements::of(std::uint32_t message) const {
  if (!is_indexed_) index_ = needed();
  is_indexed_ = true;
  const auto range = std::ranges::equal_range(index_, message, {}, &Found::message);
  return {range.begin(), range.end()};
}

std::size_t FoundSettlements::memory() const {
  std::size_t bytes = chunks_.capacity() * sizeof chunks_[0];
  for (const std::string& chunk : chunks_) bytes += chunk.capacity();
  return bytes;
}

}  // namespace brevdue::backends
