// Reads staged content from the disk in pieces and compares it with what its envelope says. One
// thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/file_system.h"
#include "mail/envelope.h"
#include "queue/store.h"

namespace brevdue::queue {

class StagedCheck {
 public:
  // `file` is open for reading; nothing of it is taken from the page cache.
  StagedCheck(FileSystem& files, UniqueFd file, mail::QueueId id,
              const mail::ContentFacts& expected);

  // Reads at most `size` bytes; how many, 0 when the check has ended.
  std::size_t read(std::size_t size);
  // Once it has ended; nothing if the content is what it was.
  std::optional<Damage> damage() const;

  // For content whose file cannot be opened.
  static Damage unreadable(mail::QueueId id, const Error& error);

 private:
  FileSystem& files_;
  UniqueFd file_;
  mail::QueueId id_;
  mail::ContentFacts expected_;
  std::vector<char> piece_;
  std::uint64_t offset_ = 0;
  std::uint32_t crc_ = 0;
  std::optional<Error> error_;
};

}  // namespace brevdue::queue
