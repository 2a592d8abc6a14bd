// Damage for decoders: random changes of bytes, reproducible by seed.
#pragma once

#include <random>
#include <string>

namespace brevdue::tests {

// One to four bytes changed, added or taken out.
inline std::string damaged(std::string bytes, std::mt19937_64& random) {
  for (auto changes = 1 + random() % 4; changes > 0; --changes) {
    const std::size_t at = bytes.empty() ? 0 : random() % bytes.size();
    const auto byte = static_cast<char>(random());
    switch (random() % 3) {
      case 0:
        if (!bytes.empty()) bytes[at] = byte;
        break;
      case 1:
        bytes.insert(at, 1, byte);
        break;
      default:
        if (!bytes.empty()) bytes.erase(at, 1);
    }
  }
  return bytes;
}

}  // namespace brevdue::tests
