#include "ipc/control_frames.h"

#include "core/bytes.h"

namespace brevdue::ipc {

namespace {
constexpr std::uint64_t ids_max = 10'000'000;
}  // namespace

std::string encode(const ControlRequest& request) {
  std::string out;
  put(out, static_cast<std::uint8_t>(request.verb));
  put(out, static_cast<std::uint8_t>(request.all ? 1 : 0));
  put_short_string(out, request.destination);
  put_short_string(out, request.reverse_path);
  put_varint(out, request.rate);
  put_short_string(out, request.path);
  put_varint(out, request.ids.size());
  for (const mail::QueueId id : request.ids) put(out, id.value());
  return out;
}

Result<ControlRequest> decode_control_request(std::string_view payload) {
  ByteReader in(payload);
  ControlRequest request;
  const auto verb = in.get<std::uint8_t>();
  request.all = in.get<std::uint8_t>() != 0;
  request.destination = in.get_short_string();
  request.reverse_path = in.get_short_string();
  request.rate = in.get_varint();
  request.path = in.get_short_string();
  const std::uint64_t count = in.get_varint();
  if (!in.ok() || verb > static_cast<std::uint8_t>(ControlVerb::mirror_attach) || count > ids_max ||
      count > in.rest().size() / 8) {
    return fail(ErrorCode::protocol, "malformed control request");
  }
  request.verb = static_cast<ControlVerb>(verb);
  request.ids.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    request.ids.emplace_back(in.get<std::uint64_t>());
  }
  if (!in.at_end()) return fail(ErrorCode::protocol, "malformed control request");
  return request;
}

std::string encode(const ControlDone& done) {
  std::string out;
  put_varint(out, done.matched);
  put(out, static_cast<std::uint8_t>(done.failed ? 1 : 0));
  put_short_string(out, done.text);
  return out;
}

Result<ControlDone> decode_control_done(std::string_view payload) {
  ByteReader in(payload);
  ControlDone done;
  done.matched = in.get_varint();
  done.failed = in.get<std::uint8_t>() != 0;
  done.text = in.get_short_string();
  if (!in.at_end()) return fail(ErrorCode::protocol, "malformed control answer");
  return done;
}

}  // namespace brevdue::ipc
