// Verification of the directory backend: a message's file is read whole, past the page cache.
#include <algorithm>

#include <fcntl.h>
#include <fmt/format.h>

#include "backends/maildir/maildir_store.h"
#include "backends/maildir/message_file.h"
#include "core/crc32c.h"

namespace brevdue::backends {

using queue::Damage;
using queue::Verified;

namespace {
bool is_of_one_file(ErrorCode code) {
  return code == ErrorCode::io_failure || code == ErrorCode::permission;
}

std::string where(const std::string& name, std::uint64_t offset) {
  return fmt::format("maildir/{} at byte {}", name, offset);
}

void check(mail::QueueId id, std::string_view bytes, Verified& verified) {
  const std::string name = id.text();
  const auto layout = parse_layout(bytes, bytes.size());
  if (!layout) {
    verified.damage.push_back({Damage::Part::envelope, where(name, 0), layout.error().context});
    return;
  }
  const auto own = mail::decode_envelope(layout->envelope);
  if (own && own->id == id) {
    verified.envelope = SharedBytes(layout->envelope);
  } else {
    verified.damage.push_back({Damage::Part::envelope, where(name, 0), "holds another message"});
  }
  if (crc32c(bytes.substr(layout->content_offset, layout->content.length)) !=
      layout->content.crc32c) {
    verified.damage.push_back(
        {Damage::Part::content, where(name, layout->content_offset), "its checksum does not hold"});
  }
  const std::string_view tail = bytes.substr(layout->settlements_offset);
  const SettlementTail settled = parse_settlements(tail);
  if (settled.damaged > 0) {
    verified.damage.push_back({Damage::Part::settlement, where(name, layout->settlements_offset),
                               fmt::format("{} with a wrong checksum", settled.damaged)});
  }
  if (settled.whole_bytes < tail.size()) {
    verified.damage.push_back(
        {Damage::Part::settlement, where(name, layout->settlements_offset + settled.whole_bytes),
         fmt::format("{} bytes are no whole record", tail.size() - settled.whole_bytes)});
  }
}
}  // namespace

Result<Verified> MaildirStore::verify(mail::QueueId id, const queue::Location& location) {
  Verified verified;
  const auto unreadable = [&](const Error& error) -> Result<Verified> {
    if (!is_of_one_file(error.code)) return std::unexpected(error);
    verified.damage.push_back({Damage::Part::envelope, where(id.text(), 0), describe(error)});
    return verified;
  };
  const auto file = open_file(id, location);
  if (!file) return unreadable(file.error());
  ::posix_fadvise(file->fd.get(), 0, 0, POSIX_FADV_DONTNEED);
  std::string bytes(file->size, '\0');
  const auto got = read_all(files_, file->fd.get(), bytes.data(), bytes.size(), 0);
  if (!got) return unreadable(got.error());
  bytes.resize(*got);
  verified.bytes = bytes.size();
  check(id, bytes, verified);
  return verified;
}

}  // namespace brevdue::backends
