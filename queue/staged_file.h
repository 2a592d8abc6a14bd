// A file of large content while it is written: one part on each side of the spool. Blocking; used
// by one thread at a time.
//
// A part that cannot be written or synced costs its side, not the file, where the mirror can go on
// without that side (SpoolSides::give_up); no room on one side refuses the file.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/file_system.h"
#include "core/shared_bytes.h"
#include "mail/envelope.h"
#include "mail/queue_id.h"
#include "queue/spool_sides.h"

namespace brevdue::queue {

class StagedFile {
 public:
  // `unnamed_files`: whether the file systems have them; cleared when one turns out not to.
  StagedFile(FileSystem& files, SpoolSides& sides, mail::QueueId id,
             std::atomic<bool>& unnamed_files);
  ~StagedFile();  // what was not sealed leaves nothing behind
  StagedFile(const StagedFile&) = delete;
  StagedFile& operator=(const StagedFile&) = delete;

  // At the end of the file. A chunk that would leave less than `kept_free` is refused with
  // storage_full. After an error the file is good for nothing.
  Result<void> write(const SharedBytes& chunk, std::uint64_t kept_free);
  // Checks size and CRC32C, syncs, gives the parts their name and syncs that.
  Result<void> seal(const mail::ContentFacts& expected);

 private:
  struct Part {
    SpoolSidePtr side;
    UniqueFd fd{};
    std::string temporary_name{};  // where the file system has no unnamed files
    bool named = false;
  };
  using Step = std::function<Result<void>(Part&)>;

  Result<void> make(Part& part);
  Result<void> add_missing_parts();
  Result<void> copy_into(Part& part);
  Result<void> give_name(Part& part);
  Result<void> complete(Part& part);
  Result<void> on_each_part(const Step& step);
  void remove(Part& part);
  bool has_part_on(const SpoolSidePtr& side) const;
  void drop_parts_of_the_left();

  FileSystem& files_;
  SpoolSides& sides_;
  const mail::QueueId id_;
  std::atomic<bool>& unnamed_files_;
  std::vector<Part> parts_;
  std::uint64_t size_ = 0;
  std::uint32_t crc_ = 0;
  bool begun_ = false;
  bool failed_ = false;
  bool sealed_ = false;
};

}  // namespace brevdue::queue
