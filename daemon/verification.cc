#include "daemon/verification.h"

#include <algorithm>
#include <utility>

namespace brevdue::daemon {

namespace {
// What deliveries may have to wait for.
constexpr std::size_t piece_max = 1u << 20;
constexpr std::size_t piece_min = 16 * 1024;
constexpr std::size_t slice_max = 64;
constexpr std::chrono::milliseconds tell_every{250};
// A file that is younger may be waiting for its message to become durable.
constexpr std::chrono::seconds leftover_age{60};
}  // namespace

Verification::Verification(queue::EventLoop& events, queue::Queue& queue, const Log& log,
                           std::vector<std::string> spools, std::uint64_t rate, Callbacks callbacks)
    : events_(events),
      queue_(queue),
      log_(log),
      spools_(std::move(spools)),
      rate_(rate),
      callbacks_(std::move(callbacks)) {}

Verification::~Verification() {
  *alive_ = false;
  events_.cancel(timer_);
}

void Verification::start() {
  ids_.reserve(queue_.size());
  queue_.for_each([this](mail::QueueId id) { ids_.push_back(id); });
  std::ranges::sort(ids_);
  progress_.total = ids_.size();
  slice_began_ = told_ = clock_.steady();
  next();
}

std::size_t Verification::piece_size() const {
  if (rate_ == 0) return piece_max;
  return std::clamp<std::uint64_t>(rate_ / 10, piece_min, piece_max);
}

// As many messages as make a piece if they are like those before.
std::size_t Verification::slice_size() const {
  if (progress_.messages == 0) return 1;
  const std::uint64_t usual = record_bytes_ / progress_.messages + 1;
  return std::clamp<std::uint64_t>(piece_size() / usual, 1, slice_max);
}

void Verification::soon(std::function<void(Verification&)> task) {
  events_.post([this, alive = alive_, task = std::move(task)] {
    if (*alive) task(*this);
  });
}

void Verification::pause(std::function<void(Verification&)> then) {
  const SteadyTime now = clock_.steady();
  if (now - told_ >= tell_every) {
    told_ = now;
    callbacks_.progress(progress_);
  }
  const std::chrono::duration<double> least(
      rate_ == 0 ? 0.0 : static_cast<double>(slice_bytes_) / static_cast<double>(rate_));
  const auto until = slice_began_ + std::chrono::duration_cast<std::chrono::nanoseconds>(least);
  slice_bytes_ = 0;
  // Never behind: a rate that could not be kept is not made up for.
  slice_began_ = std::max(until, now);
  if (until <= now) return soon(std::move(then));
  timer_ = events_.run_after(until - now, [this, alive = alive_, then = std::move(then)] {
    if (*alive) then(*this);
  });
}

void Verification::next() {
  if (!staged_.empty()) return next_staged();
  std::vector<mail::QueueId> ids;
  second_look_ = !doubtful_.empty();
  if (second_look_) {
    ids = std::exchange(doubtful_, {});
  } else {
    const std::size_t size = std::min(slice_size(), ids_.size() - next_);
    const auto first = ids_.begin() + static_cast<std::ptrdiff_t>(next_);
    ids.assign(first, first + static_cast<std::ptrdiff_t>(size));
    next_ += size;
  }
  if (ids.empty()) return look_for_leftovers();
  queue_.verify(ids, [this, alive = alive_, ids](std::vector<Result<queue::Verified>> found) {
    if (*alive) checked(ids, std::move(found));
  });
}

void Verification::checked(const std::vector<mail::QueueId>& ids,
                           std::vector<Result<queue::Verified>> found) {
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const bool failed = !found[i] && found[i].error().code != ErrorCode::not_found &&
                        found[i].error().code != ErrorCode::corrupt;
    if (failed) return callbacks_.ended(std::unexpected(found[i].error()), progress_);
    take(ids[i], found[i]);
  }
  pause([](Verification& self) { self.next(); });
}

void Verification::take(mail::QueueId id, const Result<queue::Verified>& found) {
  const bool whole = found && found->damage.empty();
  const bool gone = !found && !queue_.stays(id);
  if (found) {
    slice_bytes_ += found->bytes;
    record_bytes_ += found->bytes;
    progress_.bytes += found->bytes;
  }
  if (!whole && !gone && !second_look_) {
    // It may have been moved, or written to, while it was read.
    doubtful_.push_back(id);
    return;
  }
  ++progress_.messages;
  if (gone) ++progress_.gone;
  if (gone) return;
  if (!whole) report(id, found);
  if (!found || found->envelope.empty()) return;
  const auto envelope = mail::decode_envelope(found->envelope.view());
  if (envelope && envelope->content.staged) staged_.push_back({id, envelope->content});
}

void Verification::report(mail::QueueId id, const Result<queue::Verified>& found) {
  if (!found && found.error().code == ErrorCode::not_found) {
    return damaged(queue::missing_in_words(id));
  }
  if (!found) {
    return damaged(
        queue::in_words(id, {queue::Damage::Part::envelope, {}, describe(found.error())}));
  }
  for (const queue::Damage& damage : found->damage) damaged(queue::in_words(id, damage));
}

void Verification::damaged(const std::string& line) {
  ++progress_.damaged;
  log_.error("verify: " + line);
  callbacks_.found(line);
}

void Verification::next_staged() {
  Staged staged = staged_.back();
  staged_.pop_back();
  queue_.read(staged.id, [this, alive = alive_, staged](Result<queue::Content> content) {
    if (!*alive) return;
    if (!content)
      return staged_ended(staged, queue::StagedCheck::unreadable(staged.id, content.error()));
    read_staged(std::make_shared<queue::StagedCheck>(files_, std::move(content->file), staged.id,
                                                     staged.facts),
                staged);
  });
}

void Verification::read_staged(std::shared_ptr<queue::StagedCheck> check, Staged staged) {
  reader_.push([this, alive = alive_, &events = events_, check = std::move(check), staged,
                size = piece_size()] {
    const std::size_t got = check->read(size);
    events.post([this, alive, check, staged, got] {
      if (!*alive) return;
      slice_bytes_ += got;
      progress_.bytes += got;
      if (got == 0) return staged_ended(staged, check->damage());
      pause([check, staged](Verification& self) { self.read_staged(check, staged); });
    });
  });
}

void Verification::staged_ended(const Staged& staged, std::optional<queue::Damage> damage) {
  if (damage && queue_.stays(staged.id)) damaged(queue::in_words(staged.id, *damage));
  pause([](Verification& self) { self.next(); });
}

void Verification::look_for_leftovers() {
  reader_.push([this, alive = alive_, &events = events_, spools = spools_] {
    std::vector<queue::Leftover> leftovers;
    for (const std::string& spool : spools) {
      std::ranges::move(queue::find_leftovers(spool, leftover_age), std::back_inserter(leftovers));
    }
    events.post([this, alive, leftovers = std::move(leftovers)] {
      if (*alive) add_leftovers(leftovers);
    });
  });
}

void Verification::add_leftovers(const std::vector<queue::Leftover>& leftovers) {
  for (const queue::Leftover& leftover : leftovers) {
    const auto& id = leftover.id;
    if (id && (queue_.contains(*id) || std::ranges::binary_search(ids_, *id))) continue;
    ++progress_.notes;
    callbacks_.found("note: " + leftover.line);
  }
  callbacks_.ended({}, progress_);
}

}  // namespace brevdue::daemon
