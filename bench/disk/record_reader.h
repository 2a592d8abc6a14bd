// Reads a record log (FORMAT.md) event by event, checking each.
//
// `corrupt` names the file, the event and the byte where the damage begins; what was read before it
// is sound. Not thread-safe.
#pragma once

#include <cstdio>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bench/disk/record_event.h"

namespace brevdue::disk {

class RecordReader {
 public:
  static Result<RecordReader> open(const std::string& path);

  // The next event, or nothing at the end of the file.
  Result<std::optional<Event>> next();
  // What the last event wrote (zeros included), for a write; valid until the next call of next().
  std::span<const std::byte> content() const { return content_; }

  const RecordHeader& header() const { return header_; }
  // False at the end of the file when the disk was killed rather than stopped.
  bool ended() const { return ended_; }

 private:
  struct Close {
    void operator()(std::FILE* file) const { static_cast<void>(std::fclose(file)); }
  };
  using File = std::unique_ptr<std::FILE, Close>;
  RecordReader(File file, std::string path, RecordHeader header)
      : file_(std::move(file)), path_(std::move(path)), header_(header) {}
  std::unexpected<Error> damaged(std::string_view what) const;

  File file_;
  std::string path_;
  RecordHeader header_;
  std::uint64_t next_index_ = 0;
  std::uint64_t position_ = record_header_size;
  std::vector<std::byte> content_;
  bool ended_ = false;
};

}  // namespace brevdue::disk
