// A spool whose files all lie in one directory, staged content as well.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>

#include <fcntl.h>

#include "core/file_system.h"
#include "queue/spool_sides.h"

namespace brevdue::tests {

inline Result<std::shared_ptr<queue::SpoolSides>> spool_in(FileSystem& files,
                                                           const std::string& directory) {
  auto side = std::make_shared<queue::SpoolSide>();
  side->path = directory;
  for (UniqueFd* const to : {&side->directory, &side->staged, &side->quarantine}) {
    auto fd = files.open(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY, 0);
    if (!fd) return std::unexpected(std::move(fd.error()));
    *to = std::move(*fd);
  }
  return std::make_shared<queue::SingleSpool>(std::move(side));
}

}  // namespace brevdue::tests
