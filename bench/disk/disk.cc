#include "bench/disk/disk.h"

#include <cerrno>
#include <string_view>
#include <utility>

#include "bench/disk/units.h"

namespace brevdue::disk {

static std::string_view name_of(Request request) {
  return request == Request::read ? "read" : request == Request::write ? "write" : "flush";
}

Disk::Disk(std::unique_ptr<Medium> medium, std::optional<RecordWriter> record, Options options)
    : medium_(std::move(medium)), options_(options), record_(std::move(record)) {
  if (options_.cache_bytes) cache_.emplace(*medium_, *options_.cache_bytes);
}

bool Disk::outside(ByteRange range) const {
  return range.offset > size() || range.length > size() - range.offset;
}

Result<void> Disk::refuse(Request request, ByteRange range, int os_error) {
  ++counters_.failed;
  std::string text(name_of(request));
  text += " offset=" + std::to_string(range.offset) + " length=" + std::to_string(range.length) +
          " error=" + error_name(os_error);
  if (record_ && request != Request::read) {
    auto noted = record_->note(EventType::fault, text);
    if (!noted) return noted;
  }
  return fail_os(os_error, text);
}

Result<Disk::Lock> Disk::begin(Request request, ByteRange range) {
  auto deadline = std::chrono::steady_clock::now();
  Lock lock(mutex_);
  while (!counters_.off && std::chrono::steady_clock::now() < stalled_until_) {
    changed_.wait_until(lock, stalled_until_);
    deadline = std::chrono::steady_clock::now();
  }
  const auto cost = options_.cost.of(request, range.length);
  if (cost.count() > 0 && !counters_.off) {
    // Without the lock, so that a cut need not wait for a slow request.
    lock.unlock();
    wait_until(deadline + cost);
    lock.lock();
  }
  if (counters_.off) {
    ++counters_.failed;
    return fail_os(EIO, "the disk is off");
  }
  if (const auto os_error = faults_.next(request)) {
    auto refused = refuse(request, range, *os_error);
    return std::unexpected(std::move(refused.error()));
  }
  return lock;
}

Result<void> Disk::read(std::uint64_t offset, std::span<std::byte> to) {
  const ByteRange range{offset, to.size()};
  if (outside(range)) return fail_os(EINVAL, "a read beyond the end of the disk");
  auto lock = begin(Request::read, range);
  if (!lock) return propagate(std::move(lock.error()));
  auto done = cache_ ? cache_->read(offset, to) : medium_->read(offset, to);
  if (!done) return done;
  faults_.spoil(offset, to);
  ++counters_.reads;
  counters_.read_bytes += to.size();
  return {};
}

Result<void> Disk::write(std::uint64_t offset, std::span<const std::byte> from, bool through) {
  const ByteRange range{offset, from.size()};
  if (outside(range)) return fail_os(ENOSPC, "a write beyond the end of the disk");
  if (offset % sector_size != 0 || from.size() % sector_size != 0) {
    return fail_os(EINVAL, "a write of less than a sector");
  }
  auto lock = begin(Request::write, range);
  if (!lock) return propagate(std::move(lock.error()));
  auto done = !cache_   ? medium_->write(offset, from)
              : through ? cache_->write_through(offset, from)
                        : cache_->write(offset, from);
  if (done && through && options_.sync_medium) done = medium_->sync();
  if (done && record_) done = record_->write(offset, from, through);
  if (!done) return done;
  ++counters_.writes;
  counters_.write_bytes += from.size();
  return {};
}

Result<void> Disk::flush() {
  auto lock = begin(Request::flush, {0, 0});
  if (!lock) return propagate(std::move(lock.error()));
  Result<void> done;
  if (cache_) done = cache_->flush();
  if (done && options_.sync_medium) done = medium_->sync();
  if (done && record_) done = record_->flush();
  if (!done) return done;
  ++counters_.flushes;
  return {};
}

Disk::Counters Disk::counters() const {
  const Lock lock(mutex_);
  Counters counters = counters_;
  if (cache_) {
    counters.cached_writes = cache_->pending_writes();
    counters.cached_bytes = cache_->pending_bytes();
    counters.written_back_early = cache_->written_back_early();
  }
  if (record_) counters.events = record_->events();
  return counters;
}

Result<void> Disk::mark(std::string text) {
  const Lock lock(mutex_);
  if (!record_) return fail(ErrorCode::invalid_argument, "this disk keeps no record");
  if (counters_.off) return fail(ErrorCode::unavailable, "the disk is off");
  return record_->note(EventType::mark, std::move(text));
}

Result<void> Disk::cut(const PowerCut& cut) {
  const Lock lock(mutex_);
  if (counters_.off) return {};
  counters_.off = true;
  changed_.notify_all();
  Result<void> done;
  if (cache_) done = cache_->cut(cut);
  if (done && record_) done = record_->note(EventType::cut, cut.text());
  return done;
}

void Disk::plan(Request request, FaultPlan::Rule rule) {
  const Lock lock(mutex_);
  faults_.plan(request, rule);
}

Result<void> Disk::damage(ByteRange range, std::uint64_t seed) {
  const Lock lock(mutex_);
  if (outside(range)) return fail(ErrorCode::invalid_argument, "beyond the end of the disk");
  if (!faults_.damage(range, seed)) {
    return fail(ErrorCode::overloaded, "too many damaged ranges; heal first");
  }
  return {};
}

void Disk::stall(std::chrono::milliseconds time) {
  const Lock lock(mutex_);
  stalled_until_ = std::chrono::steady_clock::now() + time;
  changed_.notify_all();
}

void Disk::heal() {
  const Lock lock(mutex_);
  faults_.heal();
  stalled_until_ = {};
  changed_.notify_all();
}

Result<void> Disk::stop() {
  const Lock lock(mutex_);
  Result<void> done;
  if (!counters_.off && cache_) done = cache_->flush();
  counters_.off = true;
  changed_.notify_all();
  if (done && record_) done = record_->note(EventType::end, "");
  return done;
}

}  // namespace brevdue::disk
