#include "bench/disk/record_writer.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/uio.h>

namespace brevdue::disk {

static Result<void> write_fully(int fd, std::string_view head, std::span<const std::byte> payload,
                                const std::string& path) {
  std::size_t done = 0;
  const std::size_t total = head.size() + payload.size();
  while (done < total) {
    std::array<iovec, 2> parts{};
    const std::size_t of_head = std::min(done, head.size());
    const std::size_t of_payload = done - of_head;
    // writev takes pointers to non-const but only reads through them.
    parts[0] = {const_cast<char*>(head.data()) + of_head, head.size() - of_head};
    parts[1] = {const_cast<std::byte*>(payload.data()) + of_payload, payload.size() - of_payload};
    const ssize_t put = ::writev(fd, parts.data(), 2);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return fail_os(errno, "append to record " + path);
    done += static_cast<std::size_t>(put);
  }
  return {};
}

static bool all_zeros(std::span<const std::byte> content) {
  return !content.empty() && content[0] == std::byte{0} &&
         std::memcmp(content.data(), content.data() + 1, content.size() - 1) == 0;
}

RecordWriter::RecordWriter(UniqueFd fd, std::string path, std::uint64_t limit)
    : fd_(std::move(fd)),
      path_(std::move(path)),
      begun_(std::chrono::steady_clock::now()),
      limit_(limit) {}

Result<RecordWriter> RecordWriter::create(const std::string& path, std::uint64_t disk_size,
                                          std::uint64_t limit) {
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600));
  if (!fd) return fail_os(errno, "create record " + path);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto begun = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
  const RecordHeader header{disk_size, static_cast<std::uint64_t>(begun)};
  auto written = write_fully(fd.get(), encode(header), {}, path);
  if (!written) return propagate(std::move(written.error()));
  return RecordWriter(std::move(fd), path, limit);
}

Result<void> RecordWriter::append(Event event, std::span<const std::byte> payload) {
  if (failed_) return std::unexpected(*failed_);
  event.index = next_index_;
  event.time = static_cast<std::uint64_t>(
      std::chrono::nanoseconds(std::chrono::steady_clock::now() - begun_).count());
  length_ += event_head_size + payload.size();
  Result<void> written;
  if (length_ > limit_) {
    written = fail_os(ENOSPC, "record " + path_ + " has reached its limit");
  } else {
    written = write_fully(fd_.get(), encode_head(event, payload), payload, path_);
  }
  if (!written) {
    failed_ = written.error();
    return written;
  }
  ++next_index_;
  return {};
}

Result<void> RecordWriter::write(std::uint64_t offset, std::span<const std::byte> content,
                                 bool through) {
  Event event;
  event.type = EventType::write;
  event.through = through;
  event.zeros = all_zeros(content);
  event.range = {offset, content.size()};
  const auto stored = event.zeros ? std::span<const std::byte>() : content;
  return append(std::move(event), stored);
}

Result<void> RecordWriter::flush() {
  Event event;
  event.type = EventType::flush;
  return append(std::move(event), {});
}

Result<void> RecordWriter::note(EventType type, std::string text) {
  if (text.size() > longest_text) text.resize(longest_text);
  for (char& letter : text) {
    if (letter == '\n' || letter == '\r') letter = ' ';
  }
  Event event;
  event.type = type;
  return append(std::move(event), std::as_bytes(std::span(text)));
}

}  // namespace brevdue::disk
