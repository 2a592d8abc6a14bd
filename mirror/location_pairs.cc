#include "mirror/location_pairs.h"

#include <cstring>

#include "core/error.h"

namespace brevdue::mirror {

using queue::Location;

std::uint32_t LocationPairs::row_of(const Location& location) {
  std::uint32_t row = 0;
  std::memcpy(&row, location.bytes.data(), sizeof row);
  return row;
}

Location LocationPairs::location_of(std::uint32_t row, mail::QueueId id) {
  Location location;
  const std::uint64_t value = id.value();
  std::memcpy(location.bytes.data(), &row, sizeof row);
  std::memcpy(location.bytes.data() + sizeof row, &value, sizeof value);
  return location;
}

void LocationPairs::write(Row& row, const Pair& pair) {
  for (std::size_t side = 0; side < pair.size(); ++side) {
    on_side_[side] -= row.has[side] ? 1 : 0;
    row.has[side] = pair[side].has_value();
    on_side_[side] += row.has[side] ? 1 : 0;
    row.at[side] = pair[side].value_or(Location{});
  }
}

Location LocationPairs::add(mail::QueueId id, const Pair& pair) {
  const std::lock_guard lock(mutex_);
  std::uint32_t index = 0;
  if (free_.empty()) {
    BREVDUE_ASSERT(rows_.size() < UINT32_MAX);
    index = static_cast<std::uint32_t>(rows_.size());
    rows_.emplace_back();
  } else {
    index = free_.back();
    free_.pop_back();
  }
  Row& row = rows_[index];
  row.id = id;
  row.used = true;
  write(row, pair);
  return location_of(index, id);
}

bool LocationPairs::holds(mail::QueueId id, const Location& location) const {
  std::uint64_t named = 0;
  std::memcpy(&named, location.bytes.data() + sizeof(std::uint32_t), sizeof named);
  if (named != id.value()) return false;
  const std::uint32_t index = row_of(location);
  return index < rows_.size() && rows_[index].used && rows_[index].id == id;
}

std::optional<LocationPairs::Pair> LocationPairs::find(mail::QueueId id,
                                                       const Location& location) const {
  const std::lock_guard lock(mutex_);
  if (!holds(id, location)) return std::nullopt;
  const Row& row = rows_[row_of(location)];
  Pair pair;
  for (std::size_t side = 0; side < pair.size(); ++side) {
    if (row.has[side]) pair[side] = row.at[side];
  }
  return pair;
}

void LocationPairs::set(mail::QueueId id, const Location& location, const Pair& pair) {
  const std::lock_guard lock(mutex_);
  if (holds(id, location)) write(rows_[row_of(location)], pair);
}

void LocationPairs::remove(mail::QueueId id, const Location& location) {
  const std::lock_guard lock(mutex_);
  if (!holds(id, location)) return;
  write(rows_[row_of(location)], {});
  rows_[row_of(location)].used = false;
  free_.push_back(row_of(location));
}

std::size_t LocationPairs::size() const {
  const std::lock_guard lock(mutex_);
  return rows_.size() - free_.size();
}

std::vector<LocationPairs::OneSided> LocationPairs::one_sided(std::uint32_t& cursor,
                                                              std::size_t count) const {
  constexpr std::uint32_t rows_at_once = 16384;
  std::vector<OneSided> found;
  const std::lock_guard lock(mutex_);
  for (std::uint32_t looked = 0; cursor < rows_.size() && looked < rows_at_once; ++looked) {
    if (found.size() == count) break;
    const std::uint32_t index = cursor++;
    const Row& row = rows_[index];
    if (!row.used || row.has[0] == row.has[1]) continue;
    found.push_back({row.id, location_of(index, row.id), row.has[0] ? 0u : 1u});
  }
  return found;
}

bool LocationPairs::is_end(std::uint32_t cursor) const {
  const std::lock_guard lock(mutex_);
  return cursor >= rows_.size();
}

std::size_t LocationPairs::count_without(std::size_t side) const {
  const std::lock_guard lock(mutex_);
  return rows_.size() - free_.size() - on_side_[side];
}

void LocationPairs::forget_side(std::size_t side) {
  const std::lock_guard lock(mutex_);
  on_side_[side] = 0;
  for (Row& row : rows_) row.has[side] = false;
}

}  // namespace brevdue::mirror
