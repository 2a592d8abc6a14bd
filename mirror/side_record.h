// What one side of a mirror knows of the mirror: the file "mirror" in its spool directory, text in
// eight lines, the last of which is the CRC32C of those before.
//
//   brevdue-mirror 1
//   set UUID              the mirror both sides belong to
//   self UUID             this side
//   partner UUID          the other one
//   epoch N               raised whenever a side is left or comes back
//   partner-is current    or stale: it misses what was acknowledged in this epoch
//   self-is whole         or incomplete: it is being written anew from the other
//   crc32c XXXXXXXX
//
// Before the first answer that one side gives alone, that side's file says durably that the other
// is stale. So of two sides that do not say so of each other, each has all that was acknowledged,
// and a lone one may know by itself whether it has (start_plan.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/error.h"
#include "core/file_system.h"

namespace brevdue::mirror {

struct SideRecord {
  std::string set;
  std::string self;
  std::string partner;
  std::uint64_t epoch = 0;
  bool partner_is_stale = false;
  bool self_is_incomplete = false;

  bool operator==(const SideRecord&) const = default;
};

std::string encode(const SideRecord& record);
// `path` is that of the spool, for the error: corrupt, or unsupported for a newer version.
Result<SideRecord> decode_side_record(std::string_view text, const std::string& path);

// That of the spool directory `spool`, which is open; nothing if it has none.
Result<std::optional<SideRecord>> read_side_record(FileSystem& files, int spool,
                                                   const std::string& path);
// Durable when it returns. After a failure the old or the new one is there.
Result<void> write_side_record(FileSystem& files, int spool, const SideRecord& record);

}  // namespace brevdue::mirror
