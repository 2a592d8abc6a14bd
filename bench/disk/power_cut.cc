#include "bench/disk/power_cut.h"

#include <algorithm>

#include "bench/disk/units.h"

namespace brevdue::disk {

static std::uint64_t stir(std::uint64_t value) {
  value += 0x9e3779b97f4a7c15u;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
  return value ^ (value >> 31);
}

std::uint64_t mix(std::uint64_t a, std::uint64_t b, std::uint64_t c) {
  return stir(stir(stir(a) ^ b) ^ c);
}

Result<PowerCut> PowerCut::parse(const std::vector<std::string>& words) {
  const auto malformed = [] {
    return fail(ErrorCode::invalid_argument,
                "expected drop, keep, subset SEED or torn SEED 512|4096");
  };
  if (words.empty()) return drop();
  if (words[0] == "drop" && words.size() == 1) return drop();
  if (words[0] == "keep" && words.size() == 1) return keep();
  if (words.size() < 2) return malformed();
  const auto seed = parse_number(words[1]);
  if (!seed) return malformed();
  if (words[0] == "subset" && words.size() == 2) return subset(*seed);
  if (words[0] != "torn" || words.size() != 3) return malformed();
  if (words[2] == "512") return torn(*seed, 512);
  if (words[2] == "4096") return torn(*seed, 4096);
  return malformed();
}

std::vector<ByteRange> PowerCut::survivors(std::uint64_t ordinal, ByteRange write) const {
  switch (survival_) {
    case Survival::all:
      return {write};
    case Survival::none:
      return {};
    case Survival::subset:
      if (mix(seed_, ordinal, 0) % 2 == 0) return {};
      return {write};
    case Survival::torn:
      break;
  }
  const auto fate = mix(seed_, ordinal, 1) % 3;
  if (fate == 0) return {};
  if (fate == 1) return {write};
  std::vector<ByteRange> kept;
  for (std::uint64_t at = write.offset; at < write.end();) {
    const std::uint64_t sector = at / sector_;
    const std::uint64_t end = std::min(write.end(), (sector + 1) * sector_);
    if (mix(seed_, ordinal, sector + 2) % 2 == 0) {
      at = end;
      continue;
    }
    if (!kept.empty() && kept.back().end() == at) {
      kept.back().length += end - at;
    } else {
      kept.push_back({at, end - at});
    }
    at = end;
  }
  return kept;
}

std::string PowerCut::text() const {
  switch (survival_) {
    case Survival::all:
      return "keep";
    case Survival::none:
      return "drop";
    case Survival::subset:
      return "subset " + std::to_string(seed_);
    case Survival::torn:
      return "torn " + std::to_string(seed_) + " " + std::to_string(sector_);
  }
  return "";
}

}  // namespace brevdue::disk
