#include "backends/maildir/message_reading.h"

#include <algorithm>

namespace brevdue::backends {

static constexpr std::uint64_t tail_bytes_max = 1u << 30;

static Result<void> read_first(FileSystem& files, int fd, std::uint64_t size, std::string& head) {
  head.resize(size);
  auto got = read_all(files, fd, head.data(), head.size(), 0);
  if (!got) return propagate(std::move(got.error()));
  head.resize(*got);
  return {};
}

Result<MessageLayout> read_head(FileSystem& files, int fd, std::uint64_t file_size,
                                std::size_t wanted, std::string& head) {
  auto read = read_first(files, fd, std::min<std::uint64_t>(file_size, wanted), head);
  if (!read) return propagate(std::move(read.error()));
  auto layout = parse_layout(head, file_size);
  if (layout || layout.error().code != ErrorCode::too_large) return layout;
  // Very many recipients: the envelope alone is longer than what was read.
  read = read_first(files, fd, file_size, head);
  if (!read) return propagate(std::move(read.error()));
  return parse_layout(head, head.size());
}

Result<std::string> read_tail(FileSystem& files, int fd, std::string_view head, std::uint64_t from,
                              std::uint64_t file_size) {
  if (head.size() == file_size) return std::string(head.substr(from));
  const std::uint64_t length = file_size - from;
  if (length > tail_bytes_max) return fail(ErrorCode::corrupt, "settlements out of bounds");
  std::string tail(length, '\0');
  auto got = read_all(files, fd, tail.data(), tail.size(), from);
  if (!got) return propagate(std::move(got.error()));
  tail.resize(*got);
  return tail;
}

}  // namespace brevdue::backends
