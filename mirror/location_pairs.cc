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

void LocationPairs::write(Row& row, const Pair& pair) {
  for (std::size_t side = 0; side < pair.size(); ++side) {
    row.has[side] = pair[side].has_value();
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
  Location location;
  const std::uint64_t value = id.value();
  std::memcpy(location.bytes.data(), &index, sizeof index);
  std::memcpy(location.bytes.data() + sizeof index, &value, sizeof value);
  return location;
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
  rows_[row_of(location)].used = false;
  free_.push_back(row_of(location));
}

std::size_t LocationPairs::size() const {
  const std::lock_guard lock(mutex_);
  return rows_.size() - free_.size();
}

}  // namespace brevdue::mirror
