#include "mirror/start_plan.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace brevdue::mirror {

namespace {

std::unexpected<Error> no_pair(std::string why) {
  return fail(ErrorCode::invalid_argument, std::move(why));
}

std::string attach(const FoundSide& side) {
  return "`brevdue queue mirror attach --force " + side.path + "`";
}

// One side has a record, of the other there is nothing that could be read.
Result<StartPlan> plan_with_one(const std::array<FoundSide, 2>& found, std::size_t known) {
  const FoundSide& here = found[known];
  const FoundSide& there = found[1 - known];
  if (there.trouble.empty() && there.holds_mail) {
    return no_pair(
        fmt::format("{} holds mail of a spool that is no mirror, and would be written "
                    "over from {}; empty it, or name another directory",
                    there.path, here.path));
  }
  if (here.record->self_is_incomplete) {
    return fail(ErrorCode::unavailable,
                fmt::format("{} was being written anew from the other side when it stopped, so it "
                            "has only a part of the mail; bring the other disk back",
                            here.path));
  }
  if (!here.record->partner_is_stale) {
    const std::string state =
        there.trouble.empty() ? there.path + " holds no spool" : there.path + ": " + there.trouble;
    return fail(ErrorCode::unavailable,
                fmt::format("{}, and {} does not know that it has all mail without it; bring the "
                            "other disk back, or, if it is lost, say {} (what only it has is lost "
                            "then, too)",
                            state, here.path, attach(here)));
  }
  StartPlan plan{.sides = {}, .epoch = here.record->epoch};
  plan.sides[known] = Standing::current;
  // Also where there is nothing yet: it may be a disk that is not mounted.
  plan.sides[1 - known] = Standing::absent;
  return plan;
}

Result<StartPlan> plan_with_none(const std::array<FoundSide, 2>& found) {
  for (const FoundSide& side : found) {
    if (!side.trouble.empty()) {
      return fail(ErrorCode::unavailable,
                  fmt::format("{}: {}; a mirror begins with both disks", side.path, side.trouble));
    }
    if (side.holds_mail) {
      return no_pair(
          fmt::format("{} holds mail of a spool that is no mirror; say {} to make it the first "
                      "side of one, start Brevdue, and attach the other side then",
                      side.path, attach(side)));
    }
  }
  return StartPlan{.sides = {Standing::current, Standing::current}, .is_new = true};
}

Result<StartPlan> plan_with_both(const std::array<FoundSide, 2>& found) {
  const SideRecord& a = *found[0].record;
  const SideRecord& b = *found[1].record;
  if (a.set != b.set) {
    return no_pair(fmt::format("{} and {} belong to different mirrors ({} and {})", found[0].path,
                               found[1].path, a.set, b.set));
  }
  if (a.self == b.self) {
    return no_pair(
        fmt::format("{} is the same side as {}, or a copy of it", found[1].path, found[0].path));
  }
  if (a.partner_is_stale && b.partner_is_stale && a.self_is_incomplete == b.self_is_incomplete) {
    return fail(ErrorCode::unavailable,
                fmt::format("{} and {} were each used without the other, so that each may have "
                            "mail that the other has not; export one, then keep the other with {}",
                            found[0].path, found[1].path, attach(found[1])));
  }
  for (std::size_t side = 0; side < 2; ++side) {
    if (!found[side].record->self_is_incomplete || found[1 - side].record->partner_is_stale) {
      continue;
    }
    return fail(ErrorCode::unavailable,
                fmt::format("{} was being written anew from the other side when it stopped, and {} "
                            "does not know of it; say {} if that one has all mail",
                            found[side].path, found[1 - side].path, attach(found[1 - side])));
  }
  StartPlan plan{.sides = {Standing::current, Standing::current},
                 .epoch = std::max(a.epoch, b.epoch)};
  // Also of a side that was replaced and is put in again: only the survivor's word counts.
  if (a.partner_is_stale || b.partner_is_stale) {
    const bool first_survives = a.partner_is_stale && !a.self_is_incomplete;
    plan.sides[first_survives ? 1 : 0] = Standing::stale;
    return plan;
  }
  if (a.partner != b.self || b.partner != a.self) {
    return no_pair(
        fmt::format("{} and {} are sides of one mirror but not each other's partner; "
                    "one of them was replaced earlier: name the disk that replaced it",
                    found[0].path, found[1].path));
  }
  return plan;
}

}  // namespace

Result<StartPlan> plan_start(const std::array<FoundSide, 2>& found) {
  const bool first = found[0].record.has_value();
  const bool second = found[1].record.has_value();
  if (first && second) return plan_with_both(found);
  if (first || second) return plan_with_one(found, first ? 0 : 1);
  return plan_with_none(found);
}

}  // namespace brevdue::mirror
