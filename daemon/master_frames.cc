#include "daemon/master_frames.h"

#include "core/bytes.h"

namespace brevdue::daemon {

std::string encode(const Attach& attach) {
  std::string out;
  put(out, static_cast<std::uint8_t>(attach.peer));
  put(out, attach.slot);
  put(out, attach.pid);
  return out;
}

Result<Attach> decode_attach(std::string_view payload) {
  ByteReader in(payload);
  Attach attach;
  const auto peer = in.get<std::uint8_t>();
  attach.slot = in.get<std::uint16_t>();
  attach.pid = in.get<std::uint32_t>();
  if (!in.at_end() || peer > static_cast<std::uint8_t>(Role::delivery)) {
    return fail(ErrorCode::protocol, "malformed frame: attach");
  }
  attach.peer = static_cast<Role>(peer);
  return attach;
}

}  // namespace brevdue::daemon
