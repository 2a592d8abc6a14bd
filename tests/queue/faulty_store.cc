#include "tests/queue/faulty_store.h"

#include <utility>

#include <fmt/format.h>

namespace brevdue::tests {

namespace {
constexpr std::size_t stamp_at = 11;

std::string name_of_mutation(const queue::Mutation& mutation) {
  if (const auto* enqueue = std::get_if<queue::Enqueue>(&mutation)) {
    return fmt::format("enqueue {}", enqueue->id.value());
  }
  if (const auto* settle = std::get_if<queue::Settle>(&mutation)) {
    return fmt::format("settle {} #{}", settle->id.value(), settle->settlement.sequence);
  }
  return fmt::format("discard {}", std::get<queue::Discard>(mutation).id.value());
}
}  // namespace

void StoreControl::fail_recoveries(unsigned count) {
  const std::lock_guard lock(mutex_);
  failing_recoveries_ = count;
}

void StoreControl::block_recovery() {
  const std::lock_guard lock(mutex_);
  recovery_blocked_ = true;
}

void StoreControl::unblock_recovery() {
  const std::lock_guard lock(mutex_);
  recovery_blocked_ = false;
  wake_.notify_all();
}

void StoreControl::report_damage(queue::Quarantined damage) {
  const std::lock_guard lock(mutex_);
  damage_.push_back(std::move(damage));
}

void StoreControl::damage_contents() {
  const std::lock_guard lock(mutex_);
  contents_damaged_ = true;
}

void StoreControl::block_look_ups() {
  const std::lock_guard lock(mutex_);
  look_ups_blocked_ = true;
}

void StoreControl::unblock_look_ups() {
  const std::lock_guard lock(mutex_);
  look_ups_blocked_ = false;
  wake_.notify_all();
}

void StoreControl::release() {
  Held oldest = std::move(held_.front());
  held_.pop_front();
  oldest.store->finish(std::move(oldest.batch), std::move(oldest.done));
}

void StoreControl::release_all() {
  holding = false;
  while (!held_.empty()) release();
}

bool StoreControl::contains(std::uint64_t id) {
  const std::lock_guard lock(disk.mutex);
  return disk.messages.contains(mail::QueueId(id));
}

std::vector<std::string> StoreControl::mutations() const {
  std::vector<std::string> all;
  for (const auto& batch : batches) all.insert(all.end(), batch.begin(), batch.end());
  return all;
}

std::vector<mail::QueueId> StoreControl::opened() {
  const std::lock_guard lock(mutex_);
  return opened_;
}

std::vector<mail::QueueId> StoreControl::looked_up() {
  const std::lock_guard lock(mutex_);
  return looked_up_;
}

FaultyStore::FaultyStore(StoreControl& control)
    : control_(control),
      memory_(control.disk),
      number_(static_cast<std::uint8_t>(++control.stores)) {}

FaultyStore::~FaultyStore() {
  {
    std::unique_lock lock(control_.mutex_);
    ending_ = true;
    control_.wake_.notify_all();
    control_.wake_.wait(lock, [this] { return !recovering_; });
  }
  while (!control_.held_.empty()) control_.release();
}

Result<void> FaultyStore::start() {
  if (control_.failing_starts > 0) {
    --control_.failing_starts;
    return fail(ErrorCode::io_failure, "start");
  }
  return memory_.start();
}

// Locations on their way out of the memory store.
class FaultyStore::Stamping final : public queue::RecoverySink {
 public:
  Stamping(const FaultyStore& store, queue::RecoverySink& sink) : store_(store), sink_(sink) {}
  void message(queue::RecoveredMessage message) override {
    message.location = store_.stamped(message.location);
    if (store_.control_.leave_out_replies) {
      for (mail::RecipientResult& result : message.state.results) result.reply.clear();
    }
    sink_.message(std::move(message));
  }
  void quarantined(queue::Quarantined damage) override { sink_.quarantined(std::move(damage)); }

 private:
  const FaultyStore& store_;
  queue::RecoverySink& sink_;
};

Result<void> FaultyStore::recover(queue::RecoverySink& sink) {
  {
    const std::lock_guard lock(control_.mutex_);
    recovering_ = true;
  }
  sink.begun();
  auto result = scan(sink);
  const std::lock_guard lock(control_.mutex_);
  recovering_ = false;
  control_.wake_.notify_all();
  return result;
}

Result<void> FaultyStore::scan(queue::RecoverySink& sink) {
  bool fails = false;
  std::vector<queue::Quarantined> damage;
  {
    std::unique_lock lock(control_.mutex_);
    control_.wake_.wait(lock, [this] { return ending_ || !control_.recovery_blocked_; });
    if (ending_) return fail(ErrorCode::cancelled, "recovery");
    damage = std::exchange(control_.damage_, {});
    fails = control_.failing_recoveries_ > 0;
    if (fails) --control_.failing_recoveries_;
  }
  for (queue::Quarantined& one : damage) sink.quarantined(std::move(one));
  Stamping stamping(*this, sink);
  auto recovered = memory_.recover(stamping);
  if (fails) return fail(ErrorCode::io_failure, "scan");
  return recovered;
}

void FaultyStore::submit(queue::Batch batch, queue::BatchDone done) {
  std::vector<std::string> names;
  for (const queue::Mutation& mutation : batch) names.push_back(name_of_mutation(mutation));
  control_.batches.push_back(std::move(names));
  if (control_.holding) {
    control_.held_.push_back({this, std::move(batch), std::move(done)});
  } else {
    finish(std::move(batch), std::move(done));
  }
}

void FaultyStore::finish(queue::Batch batch, queue::BatchDone done) {
  const std::size_t size = batch.size();
  queue::BatchResults results;
  const auto code = broken_ ? ErrorCode::unavailable : ErrorCode::io_failure;
  if (broken_ || std::exchange(control_.fail_next_batch, false)) {
    const std::size_t reach = broken_ ? 0 : std::exchange(control_.reach_disk, 0);
    broken_ = true;
    batch = unstamped(std::move(batch));
    batch.resize(std::min(reach, size));
    memory_.submit(std::move(batch), [](const queue::BatchResults&) {});
    for (std::size_t i = 0; i < size; ++i) results.emplace_back(fail(code, "planted"));
    return done(std::move(results));
  }
  memory_.submit(unstamped(std::move(batch)),
                 [&](queue::BatchResults plain) { results = std::move(plain); });
  for (auto& result : results) {
    if (result) result = stamped(*result);
  }
  done(std::move(results));
}

Result<SharedBytes> FaultyStore::open(mail::QueueId id, const queue::Location& location) {
  const std::lock_guard lock(control_.mutex_);
  control_.opened_.push_back(id);
  if (!is_ours(location)) return fail(ErrorCode::invalid_argument, "location of another store");
  if (control_.contents_damaged_) return fail(ErrorCode::corrupt, id.text());
  return memory_.open(id, plain(location));
}

Result<queue::StoredMessage> FaultyStore::look_up(mail::QueueId id,
                                                  const queue::Location& location) {
  std::unique_lock lock(control_.mutex_);
  control_.wake_.wait(lock, [this] { return !control_.look_ups_blocked_; });
  control_.looked_up_.push_back(id);
  if (!is_ours(location)) return fail(ErrorCode::invalid_argument, "location of another store");
  if (control_.contents_damaged_) return fail(ErrorCode::corrupt, id.text());
  return memory_.look_up(id, plain(location));
}

queue::Location FaultyStore::plain(queue::Location location) {
  location.bytes[stamp_at] = 0;
  return location;
}

queue::Location FaultyStore::stamped(queue::Location location) const {
  location.bytes[stamp_at] = number_;
  return location;
}

bool FaultyStore::is_ours(const queue::Location& location) const {
  return location.bytes[stamp_at] == number_;
}

void FaultyStore::check_whole(const queue::Settle& settle) {
  if (!settle.whole) return;
  ++control_.wholes;
  const std::lock_guard lock(control_.disk.mutex);
  const auto at = control_.disk.messages.find(settle.id);
  mail::DeliveryState after =
      at == control_.disk.messages.end() ? mail::DeliveryState() : at->second.state;
  after.apply(settle.settlement);
  if (as_settlement(after) != *settle.whole) ++control_.wrong_wholes;
}

queue::Batch FaultyStore::unstamped(queue::Batch batch) {
  for (queue::Mutation& mutation : batch) {
    if (const auto* enqueue = std::get_if<queue::Enqueue>(&mutation)) {
      if (control_.contains(enqueue->id.value())) ++control_.duplicates;
      continue;
    }
    queue::Location& location = std::holds_alternative<queue::Settle>(mutation)
                                    ? std::get<queue::Settle>(mutation).location
                                    : std::get<queue::Discard>(mutation).location;
    if (!is_ours(location)) ++control_.stale;
    if (const auto* settle = std::get_if<queue::Settle>(&mutation)) check_whole(*settle);
    location.bytes[stamp_at] = 0;
  }
  return batch;
}

}  // namespace brevdue::tests
