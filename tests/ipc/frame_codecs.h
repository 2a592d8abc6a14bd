// Every decoder of ipc with the encoder that belongs to it: bytes that decode are encoded again.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "ipc/control_frames.h"
#include "ipc/mirror_side_status.h"
#include "ipc/queue_entry.h"
#include "ipc/submission_frames.h"
#include "ipc/verify_progress.h"

namespace brevdue::tests {

struct FrameCodec {
  std::string_view name;
  Result<std::string> (*recode)(std::string_view payload);
  bool ends_with_bytes;  // the last part is whatever is left: cutting it short leaves a frame
};

namespace codecs {
template <auto decode, auto encode_again>
Result<std::string> recode(std::string_view payload) {
  auto frame = decode(payload);
  if (!frame) return propagate(std::move(frame.error()));
  return encode_again(*frame);
}
inline constexpr auto encoded = [](const auto& frame) { return ipc::encode(frame); };
inline constexpr auto submit = [](const ipc::Submit& frame) {
  return ipc::encode_submit_head(frame.ticket, frame.envelope) + std::string(frame.content);
};
inline constexpr auto stage_chunk = [](const ipc::StageChunk& frame) {
  return ipc::encode_stage_chunk_head(frame.ticket) + std::string(frame.bytes);
};
inline constexpr auto stage_abort = [](ipc::Ticket ticket) {
  return ipc::encode_stage_abort(ticket);
};
}  // namespace codecs

inline constexpr std::array<FrameCodec, 14> frame_codecs{{
    {"hello", codecs::recode<ipc::decode_hello, codecs::encoded>, false},
    {"queue_state", codecs::recode<ipc::decode_queue_state, codecs::encoded>, false},
    {"acknowledgements", codecs::recode<ipc::decode_acknowledgements, codecs::encoded>, true},
    {"submit", codecs::recode<ipc::decode_submit, codecs::submit>, true},
    {"stage_begin", codecs::recode<ipc::decode_stage_begin, codecs::encoded>, false},
    {"stage_chunk", codecs::recode<ipc::decode_stage_chunk, codecs::stage_chunk>, true},
    {"stage_finish", codecs::recode<ipc::decode_stage_finish, codecs::encoded>, true},
    {"stage_abort", codecs::recode<ipc::decode_stage_abort, codecs::stage_abort>, false},
    {"stage_credit", codecs::recode<ipc::decode_stage_credit, codecs::encoded>, false},
    {"control_request", codecs::recode<ipc::decode_control_request, codecs::encoded>, false},
    {"control_done", codecs::recode<ipc::decode_control_done, codecs::encoded>, false},
    {"queue_entry", codecs::recode<ipc::decode_queue_entry, codecs::encoded>, false},
    {"mirror_side_status", codecs::recode<ipc::decode_mirror_side_status, codecs::encoded>, false},
    {"verify_progress", codecs::recode<ipc::decode_verify_progress, codecs::encoded>, false},
}};

}  // namespace brevdue::tests
