// Appends what happens on a disk to a record log (FORMAT.md).
//
// Each event is one writev, so a killed disk loses none that was answered. After a failed append
// the writer stays failed: a record with a gap would prove nothing. Not thread-safe.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>

#include "bench/disk/record_event.h"
#include "core/unique_fd.h"

namespace brevdue::disk {

class RecordWriter {
 public:
  // The file must not exist: a record is evidence and is never written over. An event that would
  // make it longer than `limit` bytes fails with storage_full.
  static Result<RecordWriter> create(const std::string& path, std::uint64_t disk_size,
                                     std::uint64_t limit = UINT64_MAX);

  Result<void> write(std::uint64_t offset, std::span<const std::byte> content, bool through);
  Result<void> flush();
  // Text events; line ends in `text` become spaces, and it is cut at 4096 bytes.
  Result<void> note(EventType type, std::string text);

  std::uint64_t events() const { return next_index_; }

 private:
  RecordWriter(UniqueFd fd, std::string path, std::uint64_t limit);
  Result<void> append(Event event, std::span<const std::byte> payload);

  UniqueFd fd_;
  std::string path_;
  std::chrono::steady_clock::time_point begun_;
  std::uint64_t next_index_ = 0;
  std::uint64_t length_ = record_header_size;
  std::uint64_t limit_;
  std::optional<Error> failed_;
};

}  // namespace brevdue::disk
