#include "ipc/submission_frames.h"

#include "core/bytes.h"

namespace brevdue::ipc {

static std::unexpected<Error> malformed(const char* frame) {
  return fail(ErrorCode::protocol, std::string("malformed frame: ") + frame);
}

std::string encode(const Hello& frame) {
  std::string out;
  put(out, frame.slot);
  put(out, static_cast<std::uint64_t>(frame.floor.time_since_epoch().count()));
  put(out, frame.content_budget);
  return out;
}

Result<Hello> decode_hello(std::string_view payload) {
  ByteReader in(payload);
  Hello frame;
  frame.slot = in.get<std::uint16_t>();
  frame.floor =
      WallTime(std::chrono::microseconds(static_cast<std::int64_t>(in.get<std::uint64_t>())));
  frame.content_budget = in.get<std::uint64_t>();
  if (!in.at_end() || frame.slot > mail::QueueId::slot_max) return malformed("hello");
  return frame;
}

std::string encode(const QueueState& frame) {
  std::string out;
  put(out, static_cast<std::uint8_t>(frame.available ? 1 : 0));
  put(out, frame.room);
  put(out, frame.staged_room);
  return out;
}

Result<QueueState> decode_queue_state(std::string_view payload) {
  ByteReader in(payload);
  QueueState frame;
  frame.available = in.get<std::uint8_t>() != 0;
  frame.room = in.get<std::uint64_t>();
  frame.staged_room = in.get<std::uint64_t>();
  if (!in.at_end()) return malformed("queue state");
  return frame;
}

std::string encode(const std::vector<Acknowledgement>& frame) {
  std::string out;
  out.reserve(frame.size() * 9);
  for (const Acknowledgement& one : frame) {
    put(out, one.ticket);
    put(out, static_cast<std::uint8_t>(one.durable ? 0 : 1 + static_cast<int>(one.error)));
  }
  return out;
}

Result<std::vector<Acknowledgement>> decode_acknowledgements(std::string_view payload) {
  ByteReader in(payload);
  std::vector<Acknowledgement> frame;
  frame.reserve(payload.size() / 9);
  while (!in.at_end()) {
    const auto ticket = in.get<std::uint64_t>();
    const auto code = in.get<std::uint8_t>();
    if (!in.ok() || code > 1 + static_cast<int>(ErrorCode::protocol)) {
      return malformed("acknowledgements");
    }
    frame.push_back(
        {ticket, code == 0, code == 0 ? ErrorCode{} : static_cast<ErrorCode>(code - 1)});
  }
  return frame;
}

std::string encode_submit_head(Ticket ticket, std::string_view envelope) {
  std::string out;
  out.reserve(12 + envelope.size());
  put(out, ticket);
  put_string(out, envelope);
  return out;
}

Result<Submit> decode_submit(std::string_view payload) {
  ByteReader in(payload);
  Submit frame{};
  frame.ticket = in.get<std::uint64_t>();
  frame.envelope = in.get_string();
  if (!in.ok() || in.rest().size() > inline_content_max + 4096) return malformed("submit");
  frame.content = in.rest();
  return frame;
}

std::string encode(const StageBegin& frame) {
  std::string out;
  put(out, frame.ticket);
  put(out, frame.id.value());
  return out;
}

Result<StageBegin> decode_stage_begin(std::string_view payload) {
  ByteReader in(payload);
  StageBegin frame{};
  frame.ticket = in.get<std::uint64_t>();
  frame.id = mail::QueueId(in.get<std::uint64_t>());
  if (!in.at_end()) return malformed("stage begin");
  return frame;
}

std::string encode_stage_chunk_head(Ticket ticket) {
  std::string out;
  put(out, ticket);
  return out;
}

Result<StageChunk> decode_stage_chunk(std::string_view payload) {
  ByteReader in(payload);
  StageChunk frame{};
  frame.ticket = in.get<std::uint64_t>();
  if (!in.ok()) return malformed("stage chunk");
  frame.bytes = in.rest();
  return frame;
}

std::string encode(const StageFinish& frame) {
  std::string out;
  put(out, frame.ticket);
  out += frame.envelope;
  return out;
}

Result<StageFinish> decode_stage_finish(std::string_view payload) {
  ByteReader in(payload);
  StageFinish frame{};
  frame.ticket = in.get<std::uint64_t>();
  if (!in.ok()) return malformed("stage finish");
  frame.envelope = in.rest();
  return frame;
}

std::string encode_stage_abort(Ticket ticket) {
  std::string out;
  put(out, ticket);
  return out;
}

Result<Ticket> decode_stage_abort(std::string_view payload) {
  ByteReader in(payload);
  const auto ticket = in.get<std::uint64_t>();
  if (!in.at_end()) return malformed("stage abort");
  return ticket;
}

std::string encode(const StageCredit& frame) {
  std::string out;
  put(out, frame.ticket);
  put(out, frame.bytes);
  return out;
}

Result<StageCredit> decode_stage_credit(std::string_view payload) {
  ByteReader in(payload);
  StageCredit frame{};
  frame.ticket = in.get<std::uint64_t>();
  frame.bytes = in.get<std::uint64_t>();
  if (!in.at_end()) return malformed("stage credit");
  return frame;
}

}  // namespace brevdue::ipc
