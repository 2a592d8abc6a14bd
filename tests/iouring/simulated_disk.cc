#include "tests/iouring/simulated_disk.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include <sys/eventfd.h>
#include <unistd.h>

#include "backends/iouring/log_format.h"

namespace brevdue::tests {

SimulatedDisk::SimulatedDisk(std::uint64_t seed)
    : random_(seed), shown_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void SimulatedDisk::arm_cut(std::uint64_t nth, std::size_t sector) {
  const std::lock_guard lock(mutex_);
  cut_at_ = changes_ + nth;
  sector_ = sector;
}

void SimulatedDisk::restore_power() {
  const std::lock_guard lock(mutex_);
  power_ = true;
  fault_happened_ = false;
  cut_at_ = 0;
  short_write_at_ = 0;
  planned_.clear();
  cut_off_.clear();
  in_flight_.clear();
  ended_.clear();
  held_ = false;
  woken_ = false;
}

bool SimulatedDisk::fault_happened() const {
  const std::lock_guard lock(mutex_);
  return fault_happened_;
}

bool SimulatedDisk::has_power() const {
  const std::lock_guard lock(mutex_);
  return power_;
}

void SimulatedDisk::fail_change(Change kind, std::uint64_t nth, int os_error) {
  const std::lock_guard lock(mutex_);
  planned_[kind] = {nth, os_error};
}

void SimulatedDisk::shorten_write(std::uint64_t nth) {
  const std::lock_guard lock(mutex_);
  short_write_at_ = changes_ + nth;
}

void SimulatedDisk::make_unreadable(std::uint32_t segment, std::uint64_t offset) {
  const std::lock_guard lock(mutex_);
  unreadable_.emplace(segment, offset / backends::log_block);
}

void SimulatedDisk::fail_all_reads(bool fail) {
  const std::lock_guard lock(mutex_);
  reads_fail_ = fail;
}

std::uint64_t SimulatedDisk::changes() const {
  const std::lock_guard lock(mutex_);
  return changes_;
}

std::size_t SimulatedDisk::segment_count() const {
  const std::lock_guard lock(mutex_);
  return segments_.size();
}

Result<bool> SimulatedDisk::enter(Change kind) {
  if (!power_) {
    const bool was_under_way = cut_off_.insert(std::this_thread::get_id()).second;
    if (was_under_way) return false;
    return fail_os(EIO, "no power");
  }
  ++changes_;
  if (changes_ == cut_at_) {
    lose_power();
    cut_off_.insert(std::this_thread::get_id());
    return false;
  }
  if (const auto at = planned_.find(kind); at != planned_.end()) {
    if (--at->second.calls_left == 0) {
      const int os_error = at->second.os_error;
      planned_.erase(at);
      fault_happened_ = true;
      return fail_os(os_error, "planned");
    }
  }
  return true;
}

void SimulatedDisk::lose_power() {
  power_ = false;
  for (const backends::BatchWrite& write : in_flight_) {
    suffer(write, static_cast<Fate>(random_() % 4));
    ended_.push_back({write.ticket, fail_os(EIO, "power cut")});
  }
  in_flight_.clear();
  writes_changed_.notify_all();
}

void SimulatedDisk::suffer(const backends::BatchWrite& write, Fate fate) {
  if (fate == Fate::lost) return;
  const std::size_t sectors = write.bytes.size() / sector_;
  const std::size_t hole = fate == Fate::written    ? sectors
                           : fate == Fate::headless ? 0
                                                    : sectors / 2;
  for (std::size_t i = 0; i < sectors; ++i) {
    if (i == hole) continue;
    segments_.at(write.number)
        .replace(write.offset + i * sector_, sector_, write.bytes, i * sector_, sector_);
  }
}

void SimulatedDisk::cut_now(const std::vector<Fate>& fates) {
  const std::lock_guard lock(mutex_);
  BREVDUE_ASSERT(fates.size() == in_flight_.size());
  for (std::size_t i = 0; i < fates.size(); ++i) {
    suffer(in_flight_[i], fates[i]);
    ended_.push_back({in_flight_[i].ticket, fail_os(EIO, "power cut")});
  }
  in_flight_.clear();
  show();
  lose_power();
}

void SimulatedDisk::hold_writes() {
  const std::lock_guard lock(mutex_);
  held_ = true;
}

void SimulatedDisk::wait_for_writes(std::size_t in_flight) {
  std::unique_lock lock(mutex_);
  writes_changed_.wait(lock, [&] { return in_flight_.size() == in_flight; });
}

std::size_t SimulatedDisk::awaited() const {
  const std::lock_guard lock(mutex_);
  return in_flight_.size() + ended_.size();
}

std::size_t SimulatedDisk::most_in_flight() const {
  const std::lock_guard lock(mutex_);
  return most_in_flight_;
}

void SimulatedDisk::end_in_flight(std::size_t which, Result<void> result) {
  const auto at = in_flight_.begin() + static_cast<std::ptrdiff_t>(which);
  ended_.push_back({at->ticket, std::move(result)});
  in_flight_.erase(at);
  show();
  writes_changed_.notify_all();
}

void SimulatedDisk::end_write(std::size_t which) {
  const std::lock_guard lock(mutex_);
  const backends::BatchWrite& ending = in_flight_.at(which);
  end_in_flight(which, write(ending.number, ending.offset, ending.bytes));
}

void SimulatedDisk::fail_write(std::size_t which, int os_error) {
  const std::lock_guard lock(mutex_);
  end_in_flight(which, fail_os(os_error, "planned"));
}

void SimulatedDisk::start(const backends::BatchWrite& starting) {
  const std::lock_guard lock(mutex_);
  if (power_) {
    in_flight_.push_back(starting);
    most_in_flight_ = std::max(most_in_flight_, in_flight_.size());
  } else {
    ended_.push_back({starting.ticket, write(starting.number, starting.offset, starting.bytes)});
  }
  show();
  writes_changed_.notify_all();
}

std::optional<backends::EndedWrite> SimulatedDisk::await() {
  constexpr std::chrono::microseconds for_more{50};
  std::unique_lock lock(mutex_);
  const auto woken_or_ended = [&] { return woken_ || !ended_.empty(); };
  if (held_) {
    writes_changed_.wait(lock, woken_or_ended);
  } else if (in_flight_.size() < in_flight_max_ && random_() % 4 == 0) {
    writes_changed_.wait_for(lock, for_more, woken_or_ended);
  }
  if (std::exchange(woken_, false) && ended_.empty()) return std::nullopt;
  return end_any();
}

backends::EndedWrite SimulatedDisk::end_any() {
  if (ended_.empty()) {
    BREVDUE_ASSERT(!in_flight_.empty());
    const std::size_t which = random_() % in_flight_.size();
    const backends::BatchWrite ending = in_flight_[which];
    in_flight_.erase(in_flight_.begin() + static_cast<std::ptrdiff_t>(which));
    auto result = write(ending.number, ending.offset, ending.bytes);
    return backends::EndedWrite{ending.ticket, std::move(result)};
  }
  backends::EndedWrite ended = std::move(ended_.front());
  ended_.pop_front();
  return ended;
}

std::optional<backends::EndedWrite> SimulatedDisk::poll() {
  const std::lock_guard lock(mutex_);
  const bool may_end = !held_ && !in_flight_.empty() && random_() % 4 != 0;
  std::optional<backends::EndedWrite> ended;
  if (!ended_.empty() || may_end) ended = end_any();
  show();
  return ended;
}

void SimulatedDisk::show() {
  const bool something = !ended_.empty() || (!held_ && !in_flight_.empty());
  std::uint64_t count = 1;
  if (something) {
    BREVDUE_ASSERT(::write(shown_.get(), &count, sizeof count) == sizeof count);
  } else {
    // Nothing to read: it was not shown.
    (void)!::read(shown_.get(), &count, sizeof count);
  }
}

void SimulatedDisk::wake() {
  const std::lock_guard lock(mutex_);
  woken_ = true;
  writes_changed_.notify_all();
}

Result<void> SimulatedDisk::write(std::uint32_t number, std::uint64_t offset,
                                  std::string_view bytes) {
  const bool aligned = offset % backends::log_block == 0 &&
                       bytes.size() % backends::log_block == 0 &&
                       reinterpret_cast<std::size_t>(bytes.data()) % backends::log_block == 0;
  BREVDUE_ASSERT(aligned);
  std::string& segment = segments_.at(number);
  BREVDUE_ASSERT(offset + bytes.size() <= segment.size());
  auto whole = enter(Change::write);
  if (!whole) return propagate(std::move(whole.error()));
  if (!*whole) {
    tear(segment, offset, bytes);
    return fail_os(EIO, "power cut");
  }
  if (changes_ == short_write_at_) {
    fault_happened_ = true;
    segment.replace(offset, bytes.size() / 2, bytes.substr(0, bytes.size() / 2));
    return fail(ErrorCode::io_failure, "short write");
  }
  segment.replace(offset, bytes.size(), bytes);
  return {};
}

void SimulatedDisk::tear(std::string& segment, std::uint64_t offset, std::string_view bytes) {
  const unsigned how = static_cast<unsigned>(random_() % 4);
  const std::size_t sectors = bytes.size() / sector_;
  const std::size_t middle = random_() % (sectors + 1);
  for (std::size_t i = 0; i < sectors; ++i) {
    // The front part, the back part, any, or all but one.
    const bool kept = how == 0   ? i < middle
                      : how == 1 ? i >= middle
                      : how == 2 ? random_() % 2 == 0
                                 : i != middle;
    if (kept) segment.replace(offset + i * sector_, sector_, bytes, i * sector_, sector_);
  }
}

class SimulatedLogDevice final : public backends::LogDevice {
 public:
  explicit SimulatedLogDevice(SimulatedDisk& disk) : disk_(disk) {}

  Result<std::vector<backends::SegmentFile>> start() override {
    const std::lock_guard lock(disk_.mutex_);
    std::vector<backends::SegmentFile> found;
    for (const auto& [number, bytes] : disk_.segments_) found.push_back({number, bytes.size()});
    return found;
  }

  Result<unsigned> begin_batches(std::string_view) override { return disk_.in_flight_max_; }
  void start_write(const backends::BatchWrite& write) override { disk_.start(write); }
  std::optional<backends::EndedWrite> await_write() override { return disk_.await(); }
  void wake() override { disk_.wake(); }

  std::optional<Attendance> begin_attended(std::string_view) override {
    if (!disk_.attended_) return std::nullopt;
    return Attendance{disk_.shown_.get(), disk_.in_flight_max_};
  }
  bool start_attended(const backends::BatchWrite& write) override {
    disk_.start(write);
    return true;
  }
  std::optional<backends::EndedWrite> await_attended() override { return disk_.await(); }
  std::optional<backends::EndedWrite> poll_attended() override { return disk_.poll(); }

  Result<void> write_durable(std::uint32_t number, std::uint64_t offset,
                             std::string_view bytes) override {
    const std::lock_guard lock(disk_.mutex_);
    return disk_.write(number, offset, bytes);
  }

  Result<std::size_t> read(std::uint32_t number, std::uint64_t offset, char* to,
                           std::size_t size) override {
    const std::lock_guard lock(disk_.mutex_);
    if (disk_.reads_fail_ || !disk_.power_) return fail_os(EIO, "read");
    const auto at = disk_.segments_.find(number);
    if (at == disk_.segments_.end()) return fail(ErrorCode::not_found, "segment");
    if (offset >= at->second.size()) return 0;
    const std::string_view bytes = std::string_view(at->second).substr(offset, size);
    for (std::uint64_t block = offset / backends::log_block;
         block * backends::log_block < offset + size; ++block) {
      if (disk_.unreadable_.contains({number, block})) return fail_os(EIO, "bad block");
    }
    std::memcpy(to, bytes.data(), bytes.size());
    return bytes.size();
  }

  Result<void> create(std::uint32_t number, std::uint64_t size,
                      const std::function<bool()>& goes_on) override {
    const std::lock_guard lock(disk_.mutex_);
    if (!goes_on()) return fail(ErrorCode::cancelled, "create");
    if (disk_.segments_.size() >= disk_.segments_max_) return fail_os(ENOSPC, "create");
    auto whole = disk_.enter(SimulatedDisk::Change::create);
    if (!whole) return propagate(std::move(whole.error()));
    if (*whole || disk_.random_() % 2 == 0) disk_.segments_[number] = std::string(size, '\0');
    if (!*whole) return fail_os(EIO, "power cut");
    return {};
  }

  Result<void> remove(std::uint32_t number) override {
    const std::lock_guard lock(disk_.mutex_);
    auto whole = disk_.enter(SimulatedDisk::Change::remove);
    if (!whole) return propagate(std::move(whole.error()));
    if (*whole || disk_.random_() % 2 == 0) disk_.segments_.erase(number);
    if (!*whole) return fail_os(EIO, "power cut");
    return {};
  }

  Result<std::uint64_t> free_space() override {
    const std::lock_guard lock(disk_.mutex_);
    const std::size_t left =
        disk_.segments_max_ - std::min(disk_.segments_max_, disk_.segments_.size());
    return std::uint64_t{left} * (disk_.segments_.empty() ? std::uint64_t{1} << 30
                                                          : disk_.segments_.begin()->second.size());
  }

  Result<std::string> set_aside(const std::string& name, std::string_view bytes) override {
    const std::lock_guard lock(disk_.mutex_);
    auto whole = disk_.enter(SimulatedDisk::Change::set_aside);
    if (!whole) return propagate(std::move(whole.error()));
    if (!*whole) return fail_os(EIO, "power cut");
    disk_.quarantine_[name] = bytes;
    return name;
  }

  Result<std::string> set_aside_segment(std::uint32_t number, const std::string& name) override {
    const std::lock_guard lock(disk_.mutex_);
    auto whole = disk_.enter(SimulatedDisk::Change::set_aside);
    if (!whole) return propagate(std::move(whole.error()));
    if (!*whole) return fail_os(EIO, "power cut");
    disk_.quarantine_[name] = disk_.segments_.at(number);
    disk_.segments_.erase(number);
    return name;
  }

 private:
  SimulatedDisk& disk_;
};

std::unique_ptr<backends::LogDevice> SimulatedDisk::device() {
  return std::make_unique<SimulatedLogDevice>(*this);
}

}  // namespace brevdue::tests
