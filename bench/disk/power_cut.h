// What a power cut leaves of the writes that no flush has covered.
//
// Pure and repeatable: the answer depends on the seed, the ordinal of the write since the last
// flush and the place on the disk, on nothing else. A cut made live and one made by replaying the
// record agree, as long as the cache did not have to write back early.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/disk/medium.h"
#include "core/error.h"

namespace brevdue::disk {

class PowerCut {
 public:
  static PowerCut keep() { return {Survival::all, 0, 0}; }
  static PowerCut drop() { return {Survival::none, 0, 0}; }
  // Each write is there whole or not at all, by the toss of a coin.
  static PowerCut subset(std::uint64_t seed) { return {Survival::subset, seed, 0}; }
  // A third of the writes lost, a third whole, a third torn: a coin for each sector (512 or 4096).
  static PowerCut torn(std::uint64_t seed, std::uint64_t sector) {
    return {Survival::torn, seed, sector};
  }
  // "drop", "keep", "subset SEED" or "torn SEED 512|4096", as the control channel has it.
  static Result<PowerCut> parse(const std::vector<std::string>& words);

  // The parts of one write that survive, in order, merged where they touch.
  std::vector<ByteRange> survivors(std::uint64_t ordinal, ByteRange write) const;
  std::string text() const;

 private:
  enum class Survival { all, none, subset, torn };
  PowerCut(Survival survival, std::uint64_t seed, std::uint64_t sector)
      : survival_(survival), seed_(seed), sector_(sector) {}

  Survival survival_;
  std::uint64_t seed_;
  std::uint64_t sector_;
};

// A well mixed value of three numbers (splitmix64 steps), the source of all chance in this folder.
std::uint64_t mix(std::uint64_t a, std::uint64_t b, std::uint64_t c);

}  // namespace brevdue::disk
