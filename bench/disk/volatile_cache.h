// A disk's volatile write cache: what is written is readable at once and on the medium only after
// a flush. When it is full it writes the oldest back by itself, as a real disk does.
//
// Pure logic over a Medium; the same class serves the live disk and the replay of a record. Offsets
// and lengths are bytes. An error of the medium is passed on; what could not be written stays in
// the cache. Not thread-safe.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "bench/disk/medium.h"
#include "bench/disk/power_cut.h"

namespace brevdue::disk {

class VolatileCache {
 public:
  // `medium` outlives the cache. `capacity` is the most bytes kept before the oldest are written
  // back; a single write above it goes to the medium at once.
  VolatileCache(Medium& medium, std::uint64_t capacity);

  Result<void> write(std::uint64_t offset, std::span<const std::byte> from);
  // On the medium when it returns (force unit access); other writes stay where they are.
  Result<void> write_through(std::uint64_t offset, std::span<const std::byte> from);
  Result<void> read(std::uint64_t offset, std::span<std::byte> to) const;
  Result<void> flush();

  // The power goes: survivors reach the medium, everything else is forgotten.
  Result<void> cut(const PowerCut& cut);
  // What `cut` would put on the medium, put on `onto` instead; nothing is forgotten.
  Result<void> apply_survivors(const PowerCut& cut, Medium& onto) const;

  std::uint64_t pending_bytes() const { return pending_bytes_; }
  std::uint64_t pending_writes() const { return pending_.size(); }
  std::uint64_t written_back_early() const { return written_back_early_; }

 private:
  struct Pending {
    std::uint64_t number;
    ByteRange range;
    std::unique_ptr<std::byte[]> bytes;
    std::vector<ByteRange> superseded;  // By writes that went straight to the medium.
  };
  struct Extent {
    std::uint64_t end;
    const std::byte* bytes;
    std::uint64_t number;
  };

  void cover(ByteRange range);
  Result<void> write_back_oldest();
  Result<void> apply(const Pending& pending, ByteRange part, Medium& onto) const;

  Medium& medium_;
  std::uint64_t capacity_;
  std::deque<Pending> pending_;
  std::map<std::uint64_t, Extent> newest_;  // By first byte; what a read sees of the cache.
  std::uint64_t next_number_ = 0;           // Ordinal of the next write since the last flush.
  std::uint64_t pending_bytes_ = 0;
  std::uint64_t written_back_early_ = 0;
};

}  // namespace brevdue::disk
