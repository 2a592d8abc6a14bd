#include "queue/spool_sides.h"

#include <utility>

#include <fcntl.h>

namespace brevdue::queue {

Result<void> SpoolSides::replace(FileSystem& files, const std::string& name,
                                 std::string_view text) {
  const std::lock_guard lock(replacing_);
  bool is_somewhere = false;
  for (const SpoolSidePtr& side : taking_part()) {
    auto done = replace_file(files, side->directory.get(), name, text, 0600);
    is_somewhere = is_somewhere || done;
    if (done) continue;
    done.error().context = side->path + ": " + done.error().context;
    if (auto left = give_up(side, done.error()); !left) return left;
  }
  return is_somewhere ? Result<void>() : fail(ErrorCode::unavailable, name + ": no side is left");
}

Result<std::vector<std::string>> SpoolSides::read(FileSystem& files, const std::string& name,
                                                  std::size_t size_max) const {
  std::vector<std::string> texts;
  for (const SpoolSidePtr& side : taking_part()) {
    auto text = read_file(files, side->directory.get(), name, size_max);
    if (text) {
      texts.push_back(std::move(*text));
    } else if (text.error().code != ErrorCode::not_found) {
      return propagate(std::move(text.error()), side->path);
    }
  }
  return texts;
}

Result<SpoolSidePtr> open_spool_side(FileSystem& files, const std::string& path) {
  auto side = std::make_shared<SpoolSide>();
  side->path = path;
  for (const auto& [name, fd] :
       {std::pair{path, &side->directory}, std::pair{path + "/staged", &side->staged},
        std::pair{path + "/quarantine", &side->quarantine}}) {
    auto opened = files.open(AT_FDCWD, name, O_RDONLY | O_DIRECTORY, 0);
    if (!opened) return propagate(std::move(opened.error()), "spool");
    *fd = std::move(*opened);
  }
  return side;
}

Result<std::shared_ptr<SpoolSides>> SingleSpool::open(FileSystem& files, const std::string& path) {
  auto side = open_spool_side(files, path);
  if (!side) return propagate(std::move(side.error()));
  return std::make_shared<SingleSpool>(std::move(*side));
}

Result<void> SingleSpool::give_up(const SpoolSidePtr& /*side*/, const Error& why) {
  return std::unexpected(why);
}

}  // namespace brevdue::queue
