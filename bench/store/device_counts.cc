#include "bench/store/device_counts.h"

#include <fstream>

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

namespace brevdue::bench {

DeviceCounts device_counts(const std::string& path) {
  struct stat found;
  if (::stat(path.c_str(), &found) != 0) return {};
  const dev_t device = S_ISBLK(found.st_mode) ? found.st_rdev : found.st_dev;
  std::ifstream counts(fmt::format("/sys/dev/block/{}:{}/stat", major(device), minor(device)));
  // Documentation/block/stat.rst: writes are the 5th, sectors written the 7th, flushes the 16th.
  std::uint64_t field[17]{};
  for (std::size_t i = 0; i < std::size(field) && counts >> field[i]; ++i) {
  }
  return {field[4], field[15], field[6] * 512};
}

}  // namespace brevdue::bench
