#include "bench/load/book_file.h"

#include <cerrno>
#include <fstream>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace brevdue::load {

Result<void> BookFile::open(const std::string& path) {
  if (path.empty()) return {};
  path_ = path;
  fd_.reset(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!fd_) return fail_os(errno, "cannot open the book " + path);
  return {};
}

Result<void> BookFile::flush() {
  std::string_view rest = pending_;
  while (!rest.empty() && fd_) {
    const ssize_t written = ::write(fd_.get(), rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail_os(errno, "cannot write the book " + path_);
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  pending_.clear();
  return {};
}

Result<void> for_each_line(const std::string& path,
                           const std::function<Result<void>(std::string_view)>& take) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return fail_os(errno, "cannot open " + path);
  std::string line;
  for (std::size_t number = 1; std::getline(in, line); ++number) {
    const std::string where = fmt::format("{}:{}", path, number);
    if (in.eof()) return fail(ErrorCode::corrupt, where + ": the last line has no end");
    if (auto taken = take(line); !taken) return propagate(std::move(taken.error()), where);
  }
  if (in.bad()) return fail(ErrorCode::io_failure, "cannot read " + path);
  return {};
}

}  // namespace brevdue::load
