#include "bench/disk/record_reader.h"

#include <array>
#include <cerrno>
#include <utility>

namespace brevdue::disk {

Result<RecordReader> RecordReader::open(const std::string& path) {
  File file(std::fopen(path.c_str(), "rbe"));
  if (!file) return fail_os(errno, "open record " + path);
  std::array<char, record_header_size> raw{};
  const std::size_t got = std::fread(raw.data(), 1, raw.size(), file.get());
  if (std::ferror(file.get()) != 0) return fail_os(EIO, "read record " + path);
  auto header = decode_record_header({raw.data(), got});
  if (!header) return propagate(std::move(header.error()), "record " + path);
  return RecordReader(std::move(file), path, *header);
}

std::unexpected<Error> RecordReader::damaged(std::string_view what) const {
  return fail(ErrorCode::corrupt, "record " + path_ + ", event " + std::to_string(next_index_) +
                                      " at byte " + std::to_string(position_) + ": " +
                                      std::string(what));
}

Result<std::optional<Event>> RecordReader::next() {
  std::array<char, event_head_size> raw{};
  const std::size_t got = std::fread(raw.data(), 1, raw.size(), file_.get());
  if (std::ferror(file_.get()) != 0) return fail_os(EIO, "read record " + path_);
  if (got == 0) return std::optional<Event>();
  if (ended_) return damaged("something follows the end");
  if (got < raw.size()) return damaged("the head is cut short");
  const std::string_view bytes(raw.data(), raw.size());
  auto head = decode_head(bytes);
  if (!head) return damaged(head.error().context);
  content_.resize(head->stored);
  if (std::fread(content_.data(), 1, content_.size(), file_.get()) != content_.size()) {
    if (std::ferror(file_.get()) != 0) return fail_os(EIO, "read record " + path_);
    return damaged("the content is cut short");
  }
  if (event_crc(next_index_, bytes, content_) != head->crc) {
    return damaged("the checksum does not match");
  }
  Event event = std::move(head->event);
  event.index = next_index_;
  if (event.type != EventType::write) {
    event.text.assign(reinterpret_cast<const char*>(content_.data()), content_.size());
    content_.clear();
  } else if (event.range.offset > header_.disk_size ||
             event.range.length > header_.disk_size - event.range.offset) {
    return damaged("a write beyond the end of the disk");
  } else if (event.zeros) {
    content_.assign(event.range.length, std::byte{0});
  }
  ended_ = event.type == EventType::end;
  ++next_index_;
  position_ += event_head_size + head->stored;
  return std::optional(std::move(event));
}

}  // namespace brevdue::disk
