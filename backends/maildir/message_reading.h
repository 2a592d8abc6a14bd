// Reads from a message's file (message_file.h) what is not its content: the beginning, up to the
// header of the content, and the settlements behind it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "backends/maildir/message_file.h"
#include "core/file_system.h"

namespace brevdue::backends {

// Reads the first `wanted` bytes of a file of `file_size` into `head`, all of it only if the
// envelope is longer than that. The layout views `head`.
Result<MessageLayout> read_head(FileSystem& files, int fd, std::uint64_t file_size,
                                std::size_t wanted, std::string& head);

// What lies between `from` and `file_size`; without reading where `head` holds the whole file.
Result<std::string> read_tail(FileSystem& files, int fd, std::string_view head, std::uint64_t from,
                              std::uint64_t file_size);

}  // namespace brevdue::backends
