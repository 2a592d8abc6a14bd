// With which sides a mirror may start, by what was found of each. Pure.
//
// The rule: an answer that was given is on every side that no other side calls stale. Whatever
// might leave such an answer behind is refused, with what the operator can do. A side that is
// called stale is never read, only written anew from the other.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "core/error.h"
#include "mirror/side_record.h"

namespace brevdue::mirror {

struct FoundSide {
  std::string path;                  // of its spool directory, for messages
  std::string trouble;               // why it cannot be used at all; empty if it can
  std::optional<SideRecord> record;  // nothing: there is no spool, or none of a mirror
  bool holds_mail = false;           // without a record: a spool that is not empty
};

enum class Standing : std::uint8_t {
  current,  // has all that was acknowledged
  stale,    // is there, and is to be written anew
  absent,   // or holds no spool yet: it is put in by the operator
};

struct StartPlan {
  std::array<Standing, 2> sides;
  bool is_new = false;      // neither side was part of a mirror: both are empty and become one
  std::uint64_t epoch = 0;  // the highest that was found
};

// Errors: unavailable (a disk is missing that may have what this one has not), invalid_argument
// (these two are no pair).
Result<StartPlan> plan_start(const std::array<FoundSide, 2>& found);

}  // namespace brevdue::mirror
