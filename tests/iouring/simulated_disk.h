// A disk in memory for the log: it can lose power in the middle of any write, tear it by sectors,
// fail any call, refuse to grow, and give back a block it cannot read. The disk outlives the
// devices made on it, as a real one outlives the process.
//
// Batches in flight end one by one in any order, and a device often waits a little for more of them
// before it ends one, so that several are there at a time; or they end when the test says so.
//
// Power is cut at the nth change counted from arm_cut(): that change is torn, so is the next change
// of each other thread (it was under way at the same time), each batch in flight is written, lost
// or torn, and everything after fails. Thread-safe.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "backends/iouring/log_device.h"
#include "core/unique_fd.h"

namespace brevdue::tests {

class SimulatedDisk {
 public:
  enum class Change { write, create, remove, set_aside };

  explicit SimulatedDisk(std::uint64_t seed);

  // Cuts the power at the nth change from now (from 1); sectors of this size stay whole.
  void arm_cut(std::uint64_t nth, std::size_t sector);
  // Power is back: the next device works.
  void restore_power();
  bool has_power() const;

  // The nth change of this kind from now fails with `os_error`; writes may also end short.
  void fail_change(Change kind, std::uint64_t nth, int os_error);
  void shorten_write(std::uint64_t nth);
  // Whether one that was asked for has come since restore_power().
  bool fault_happened() const;
  void make_unreadable(std::uint32_t segment, std::uint64_t offset);
  void fail_all_reads(bool fail);
  void set_segments_max(std::size_t count) { segments_max_ = count; }

  // Its devices can be attended.
  void set_attended() { attended_ = true; }
  bool attended() const { return attended_; }
  // Batches that a device has in flight at once, at most, and had.
  void set_in_flight_max(unsigned most) { in_flight_max_ = most; }
  // Batches that were started and whose end nobody has been told.
  std::size_t awaited() const;
  std::size_t most_in_flight() const;
  // From now on they stay in flight until the test ends them; `which` counts from the oldest.
  void hold_writes();
  void wait_for_writes(std::size_t in_flight);
  void end_write(std::size_t which);
  void fail_write(std::size_t which, int os_error);
  // What a power cut makes of a write in flight: headless has lost its first sector, torn the
  // one in the middle.
  enum class Fate { written, lost, headless, torn };
  void cut_now(const std::vector<Fate>& fates);

  std::uint64_t changes() const;
  std::size_t segment_count() const;
  // For tests that look at the bytes or damage them.
  std::map<std::uint32_t, std::string>& segments() { return segments_; }
  std::map<std::string, std::string>& quarantine() { return quarantine_; }

  std::unique_ptr<backends::LogDevice> device();

 private:
  friend class SimulatedLogDevice;
  struct Planned {
    std::uint64_t calls_left = 0;
    int os_error = 0;
  };

  // Whether the change happens (true), is torn (false), or fails.
  Result<bool> enter(Change kind);
  void lose_power();
  void suffer(const backends::BatchWrite& write, Fate fate);
  void end_in_flight(std::size_t which, Result<void> result);
  Result<void> write(std::uint32_t number, std::uint64_t offset, std::string_view bytes);
  void start(const backends::BatchWrite& write);
  std::optional<backends::EndedWrite> await();
  std::optional<backends::EndedWrite> poll();
  // The descriptor is readable while there is something to be told.
  void show();
  backends::EndedWrite end_any();
  void wake();
  void tear(std::string& segment, std::uint64_t offset, std::string_view bytes);

  mutable std::mutex mutex_;
  std::mt19937_64 random_;
  std::map<std::uint32_t, std::string> segments_;
  std::map<std::string, std::string> quarantine_;
  std::set<std::pair<std::uint32_t, std::uint64_t>> unreadable_;
  std::map<Change, Planned> planned_;
  std::size_t segments_max_ = 1000;
  std::uint64_t changes_ = 0;
  std::uint64_t cut_at_ = 0;
  std::uint64_t short_write_at_ = 0;
  std::size_t sector_ = 512;
  bool power_ = true;
  bool fault_happened_ = false;
  bool reads_fail_ = false;
  std::set<std::thread::id> cut_off_;
  unsigned in_flight_max_ = 1;
  std::size_t most_in_flight_ = 0;
  std::vector<backends::BatchWrite> in_flight_;  // oldest first
  std::deque<backends::EndedWrite> ended_;
  std::condition_variable writes_changed_;
  bool held_ = false;
  bool woken_ = false;
  bool attended_ = false;
  UniqueFd shown_;  // an eventfd
};

}  // namespace brevdue::tests
