// The disk that is played: a medium, perhaps behind a volatile cache, that takes its time, keeps a
// record, counts, fails when told and can be cut off.
//
// read, write and flush are called by one thread, one at a time; everything else may be called by
// another thread meanwhile and never waits for a request that is being paced or stalled. Writes
// are whole sectors (512 bytes); anything beyond the end is invalid_argument. A request that was
// being served when the power went fails. Errors carry the errno for the kernel.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "bench/disk/fault_plan.h"
#include "bench/disk/medium.h"
#include "bench/disk/record_writer.h"
#include "bench/disk/request_cost.h"
#include "bench/disk/volatile_cache.h"

namespace brevdue::disk {

class Disk {
 public:
  struct Options {
    RequestCost cost;
    std::optional<std::uint64_t> cache_bytes;  // None: every write reaches the medium at once.
    bool sync_medium = false;                  // A flush also syncs the medium on the host.
  };
  struct Counters {
    std::uint64_t reads = 0, read_bytes = 0;
    std::uint64_t writes = 0, write_bytes = 0;
    std::uint64_t flushes = 0;
    std::uint64_t failed = 0;  // Requests refused by a fault or because the disk is off.
    std::uint64_t cached_writes = 0, cached_bytes = 0, written_back_early = 0;
    std::uint64_t events = 0;  // In the record.
    bool off = false;
  };

  Disk(std::unique_ptr<Medium> medium, std::optional<RecordWriter> record, Options options);

  std::uint64_t size() const { return medium_->size(); }
  Result<void> read(std::uint64_t offset, std::span<std::byte> to);
  Result<void> write(std::uint64_t offset, std::span<const std::byte> from, bool through);
  Result<void> flush();

  Counters counters() const;
  // Durably ordered against the writes and flushes: those answered before are before it.
  Result<void> mark(std::string text);
  // The power goes; every later request fails with EIO. A second cut changes nothing.
  Result<void> cut(const PowerCut& cut);
  void plan(Request request, FaultPlan::Rule rule);
  Result<void> damage(ByteRange range, std::uint64_t seed);
  // No request is begun for that long.
  void stall(std::chrono::milliseconds time);
  // Ends faults, damage and stalls; a disk that was cut stays off.
  void heal();
  // Writes what is cached to the medium, unless cut, and ends the record. Requests then fail.
  Result<void> stop();

 private:
  using Lock = std::unique_lock<std::mutex>;
  // Waits out stall and cost, then takes the lock, or fails as planned.
  Result<Lock> begin(Request request, ByteRange range);
  Result<void> refuse(Request request, ByteRange range, int os_error);
  bool outside(ByteRange range) const;

  std::unique_ptr<Medium> medium_;
  Options options_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<RecordWriter> record_;
  std::optional<VolatileCache> cache_;
  FaultPlan faults_;
  std::chrono::steady_clock::time_point stalled_until_;
  Counters counters_;
};

}  // namespace brevdue::disk
