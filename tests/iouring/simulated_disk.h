// A disk in memory for the log: it can lose power in the middle of any write, tear it by sectors,
// fail any call, refuse to grow, and give back a block it cannot read. The disk outlives the
// devices made on it, as a real one outlives the process.
//
// Power is cut at the nth change counted from arm_cut(): that change is torn, so is the next change
// of each other thread (it was under way at the same time), and everything after fails.
// Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "backends/iouring/log_device.h"

namespace brevdue::tests {

class SimulatedDisk {
 public:
  enum class Change { write, create, remove, set_aside };

  explicit SimulatedDisk(std::uint64_t seed) : random_(seed) {}

  // Cuts the power at the nth change from now (from 1); sectors of this size stay whole.
  void arm_cut(std::uint64_t nth, std::size_t sector);
  // Power is back: the next device works.
  void restore_power();
  bool has_power() const;

  // The nth change of this kind from now fails with `os_error`; writes may also end short.
  void fail_change(Change kind, std::uint64_t nth, int os_error);
  void shorten_write(std::uint64_t nth);
  void make_unreadable(std::uint32_t segment, std::uint64_t offset);
  void fail_all_reads(bool fail);
  void set_segments_max(std::size_t count) { segments_max_ = count; }

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

  // Whether the change happens (true), is torn (nothing), or fails.
  Result<bool> enter(Change kind);
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
  bool reads_fail_ = false;
  std::set<std::thread::id> cut_off_;
};

}  // namespace brevdue::tests
