#include "ipc/mirror_side_status.h"

#include "core/bytes.h"

namespace brevdue::ipc {

std::string encode(const MirrorSideStatus& status) {
  std::string out;
  put(out, static_cast<std::uint8_t>(status.state));
  put_varint(out, status.epoch);
  put_varint(out, status.messages);
  put_varint(out, status.messages_left);
  put_varint(out, status.bytes);
  put_varint(out, static_cast<std::uint64_t>(status.elapsed.count()));
  put_short_string(out, status.path);
  put_short_string(out, status.why);
  return out;
}

Result<MirrorSideStatus> decode_mirror_side_status(std::string_view payload) {
  ByteReader in(payload);
  MirrorSideStatus status;
  const auto state = in.get<std::uint8_t>();
  status.epoch = in.get_varint();
  status.messages = in.get_varint();
  status.messages_left = in.get_varint();
  status.bytes = in.get_varint();
  const std::uint64_t elapsed = in.get_varint();
  status.path = in.get_short_string();
  status.why = in.get_short_string();
  if (!in.at_end() || state > static_cast<std::uint8_t>(MirrorSideStatus::State::left) ||
      elapsed > INT64_MAX) {
    return fail(ErrorCode::protocol, "malformed status of a mirror");
  }
  status.state = static_cast<MirrorSideStatus::State>(state);
  status.elapsed = std::chrono::milliseconds(static_cast<std::int64_t>(elapsed));
  return status;
}

}  // namespace brevdue::ipc
