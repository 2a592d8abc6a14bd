#include "queue/committer.h"

#include <algorithm>
#include <utility>

namespace brevdue::queue {

namespace {
// What a record costs beside its bytes, roughly: enough to keep a batch under its bound.
constexpr std::size_t record_overhead = 96;

std::size_t bytes_of(const Mutation& mutation) {
  if (const auto* enqueue = std::get_if<Enqueue>(&mutation)) {
    return enqueue->envelope.size() + enqueue->content.size() + record_overhead;
  }
  if (const auto* settle = std::get_if<Settle>(&mutation)) {
    return record_overhead + settle->settlement.results.size() * 64;
  }
  return record_overhead;
}
}  // namespace

Committer::Committer(Store& store, const Clock& clock, EventLoop& loop, CommitterOptions options)
    : store_(store), clock_(clock), loop_(loop), options_(options) {}

Committer::~Committer() {
  *alive_ = false;
  loop_.cancel(timer_);
}

void Committer::submit(Batch mutations, BatchDone done) {
  BREVDUE_ASSERT(!mutations.empty());
  Group group{std::move(mutations), std::move(done), 0, 0};
  for (const Mutation& mutation : group.mutations) {
    group.bytes += bytes_of(mutation);
    group.enqueues += std::holds_alternative<Enqueue>(mutation) ? 1 : 0;
  }
  if (waiting_.empty()) first_arrival_ = clock_.steady();
  note_arrival(group.enqueues);
  waiting_bytes_ += group.bytes;
  waiting_enqueues_ += group.enqueues;
  waiting_.push_back(std::move(group));
  const unsigned depth = store_.depth();
  if (in_flight_ >= depth) return;
  if (depth > 1 && has_share(depth)) return launch(clock_.steady());
  if (scheduled_) return;
  // Not at once: what else the loop has at hand joins the same batch.
  scheduled_ = true;
  loop_.post([this, alive = alive_] {
    if (!*alive) return;
    scheduled_ = false;
    consider();
  });
}

bool Committer::is_full() const {
  return waiting_bytes_ >= options_.batch_bytes_max || waiting_.size() >= options_.batch_count_max;
}

// What falls to one of as many batches as shall be in flight.
bool Committer::has_share(unsigned depth) const {
  const unsigned parts = waiting_enqueues_ >= options_.share_ample ? depth : std::min(depth, 2u);
  return waiting_enqueues_ >= options_.share_min && waiting_enqueues_ * parts >= known_enqueues_;
}

// When the waiting mutations should go to the store, given that nothing is in flight.
SteadyTime Committer::due(SteadyTime now) const {
  if (is_full()) return now;
  const bool is_fast = statistics_.last_commit / 2 < options_.gather_min;
  if (waiting_enqueues_ == 0) {
    const SteadyTime alone = first_arrival_ + options_.lone_delay;
    const bool company_comes = coming_back_ > 0 && return_time_ && !is_fast;
    return company_comes ? std::max(alone, last_landing_ + patience()) : alone;
  }
  if (is_fast || waiting_enqueues_ >= expected_enqueues_) return now;
  return last_landing_ + patience();
}

// Whoever is answered at once comes back at once, clients of one network more or less together: to
// go in the middle of that would part them into two batches, each of which waits for the other.
std::chrono::nanoseconds Committer::patience() const {
  const auto commit = statistics_.last_commit;
  if (!return_time_ || *return_time_ > commit) return commit / 2;
  return std::clamp<std::chrono::nanoseconds>(2 * *return_time_, options_.gather_min, commit);
}

void Committer::note_arrival(std::size_t enqueues) {
  if (coming_back_ == 0 || enqueues == 0) return;
  coming_back_ -= std::min(coming_back_, enqueues);
  if (coming_back_ == 0) return_time_ = clock_.steady() - last_landing_;
}

void Committer::consider() {
  while (!waiting_.empty()) {
    const unsigned depth = store_.depth();
    if (in_flight_ >= depth) return;
    if (in_flight_ > 0 && !is_full() && !has_share(depth)) return;
    const SteadyTime now = clock_.steady();
    const SteadyTime when = in_flight_ > 0 ? now : due(now);
    if (when > now) return arm(when - now);
    launch(now);
  }
}

void Committer::arm(std::chrono::nanoseconds delay) {
  loop_.cancel(timer_);
  timer_ = loop_.run_after(delay, [this, alive = alive_] {
    if (!*alive) return;
    timer_ = 0;
    consider();
  });
}

void Committer::launch(SteadyTime now) {
  loop_.cancel(std::exchange(timer_, 0));
  Flight flight;
  flight.started = now;
  Batch batch;
  std::size_t bytes = 0;
  std::size_t taken = 0;
  for (Group& group : waiting_) {
    const bool full = bytes + group.bytes > options_.batch_bytes_max ||
                      batch.size() + group.mutations.size() > options_.batch_count_max;
    if (full && taken > 0) break;
    ++taken;
    bytes += group.bytes;
    flight.enqueues += group.enqueues;
    flight.groups.emplace_back(group.mutations.size(), std::move(group.done));
    std::ranges::move(group.mutations, std::back_inserter(batch));
  }
  waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(taken));
  waiting_bytes_ -= bytes;
  waiting_enqueues_ -= flight.enqueues;
  first_arrival_ = now;
  ++in_flight_;
  enqueues_in_flight_ += flight.enqueues;
  auto landing = [this, alive = alive_, &loop = loop_,
                  flight = std::move(flight)](BatchResults results) mutable {
    loop.post([this, alive = std::move(alive), flight = std::move(flight),
               results = std::move(results)]() mutable {
      if (*alive) landed(std::move(flight), std::move(results));
    });
  };
  store_.submit(std::move(batch), std::move(landing));
}

void Committer::landed(Flight flight, BatchResults results) {
  --in_flight_;
  enqueues_in_flight_ -= flight.enqueues;
  last_landing_ = clock_.steady();
  statistics_.last_commit = last_landing_ - flight.started;
  ++statistics_.batches;
  statistics_.mutations += results.size();
  statistics_.enqueued += flight.enqueues;
  expected_enqueues_ = flight.enqueues + waiting_enqueues_;
  known_enqueues_ = expected_enqueues_ + enqueues_in_flight_;
  if (coming_back_ > 0) return_time_.reset();
  coming_back_ = flight.enqueues - flight.enqueues / 8;
  const auto alive = alive_;
  std::size_t at = 0;
  for (auto& [size, done] : flight.groups) {
    BREVDUE_ASSERT(at + size <= results.size());
    BatchResults own(
        std::make_move_iterator(results.begin() + static_cast<std::ptrdiff_t>(at)),
        std::make_move_iterator(results.begin() + static_cast<std::ptrdiff_t>(at + size)));
    at += size;
    done(std::move(own));
    if (!*alive) return;  // The queue may give up the store in answer to a failure.
  }
  consider();
}

}  // namespace brevdue::queue
