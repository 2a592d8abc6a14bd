// The id of a queued message: 52 bits of microseconds since the epoch and 12 bits that name the
// smtpd slot (or qmgr itself) that made it, so that ids never collide between processes.
//
// Printed as 12 characters of Postfix's base-52 alphabet, most significant first: ids sort by age
// as text, and log tools that know Postfix's long ids read them.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "core/clock.h"

namespace brevdue::mail {

class QueueId {
 public:
  static constexpr unsigned slot_bits = 12;
  static constexpr std::uint16_t slot_max = (1u << slot_bits) - 1;
  static constexpr std::size_t text_length = 12;

  constexpr QueueId() = default;
  constexpr explicit QueueId(std::uint64_t value) : value_(value) {}
  static QueueId make(WallTime time, std::uint16_t slot);
  // Nothing unless `text` is exactly twelve characters of the alphabet and fits in 64 bits.
  static std::optional<QueueId> parse(std::string_view text);

  constexpr std::uint64_t value() const { return value_; }
  WallTime time() const { return WallTime(std::chrono::microseconds(value_ >> slot_bits)); }
  std::uint16_t slot() const { return static_cast<std::uint16_t>(value_ & slot_max); }
  std::string text() const;

  constexpr auto operator<=>(const QueueId&) const = default;

 private:
  std::uint64_t value_ = 0;
};

// Makes the ids of one slot: each is max(now, floor, last + 1 microsecond), so that a clock set
// back repeats none. Not thread-safe.
class QueueIdSource {
 public:
  QueueIdSource(std::uint16_t slot, WallTime floor) : slot_(slot), last_(floor) {}

  QueueId next(WallTime now) {
    last_ = std::max(now, last_ + std::chrono::microseconds(1));
    return QueueId::make(last_, slot_);
  }
  void raise_floor(WallTime floor) { last_ = std::max(last_, floor); }
  std::uint16_t slot() const { return slot_; }

 private:
  std::uint16_t slot_;
  WallTime last_;
};

}  // namespace brevdue::mail

template <>
struct std::hash<brevdue::mail::QueueId> {
  std::size_t operator()(brevdue::mail::QueueId id) const noexcept {
    // Ids of one slot differ in the middle bits: multiply to spread them.
    return static_cast<std::size_t>((id.value() ^ (id.value() >> 29)) * 0x9e3779b97f4a7c15u);
  }
};
