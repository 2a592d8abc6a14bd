// What smtpd and qmgr say to each other over their channel: one struct a frame, each with its
// encoding. Decoders trust nothing and return `protocol` for what does not parse; views point into
// the payload that was decoded.
//
// qmgr speaks first (Hello). smtpd submits small content in one frame and stages large content
// against credit. Each ticket is answered exactly once, in an Acknowledgements frame: one frame a
// batch and smtpd. A channel that breaks with tickets open leaves them undecided: smtpd answers
// 451.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "mail/queue_id.h"

namespace brevdue::ipc {

enum class SubmissionFrame : std::uint8_t {
  hello = 1,
  queue_state = 2,
  acknowledgements = 3,
  stage_credit = 4,
  submit = 16,
  stage_begin = 17,
  stage_chunk = 18,
  stage_finish = 19,
  stage_abort = 20,
};

using Ticket = std::uint64_t;

// Up to this much content travels inside the frame, both ways; more is staged.
inline constexpr std::size_t inline_content_max = 128 * 1024;
// What a sender may have on its way to a staged file without having got credit.
inline constexpr std::uint64_t stage_credit_initial = 256 * 1024;

struct Hello {
  std::uint16_t slot = 0;  // for the ids this smtpd makes
  WallTime floor{};        // ids begin above it
  std::uint64_t content_budget =
      0;  // bytes of content this smtpd may hold that are not yet answered
};

struct QueueState {
  bool available = false;         // false: MAIL is answered 451
  std::uint64_t room = 0;         // bytes of content that the store still takes
  std::uint64_t staged_room = 0;  // bytes of large content that still fit beside it
};

struct Acknowledgement {
  Ticket ticket;
  bool durable;
  ErrorCode error;  // if not durable
};

struct Submit {
  Ticket ticket;
  std::string_view envelope;
  std::string_view content;
};

struct StageBegin {
  Ticket ticket;
  mail::QueueId id;
};

struct StageChunk {
  Ticket ticket;
  std::string_view bytes;
};

struct StageFinish {
  Ticket ticket;
  std::string_view envelope;
};

struct StageCredit {
  Ticket ticket;
  std::uint64_t bytes;  // more that may be sent
};

std::string encode(const Hello& frame);
std::string encode(const QueueState& frame);
std::string encode(const std::vector<Acknowledgement>& frame);
// Without the content, which is sent as the frame's tail.
std::string encode_submit_head(Ticket ticket, std::string_view envelope);
std::string encode(const StageBegin& frame);
std::string encode_stage_chunk_head(Ticket ticket);
std::string encode(const StageFinish& frame);
std::string encode_stage_abort(Ticket ticket);
std::string encode(const StageCredit& frame);

Result<Hello> decode_hello(std::string_view payload);
Result<QueueState> decode_queue_state(std::string_view payload);
Result<std::vector<Acknowledgement>> decode_acknowledgements(std::string_view payload);
Result<Submit> decode_submit(std::string_view payload);
Result<StageBegin> decode_stage_begin(std::string_view payload);
Result<StageChunk> decode_stage_chunk(std::string_view payload);
Result<StageFinish> decode_stage_finish(std::string_view payload);
Result<Ticket> decode_stage_abort(std::string_view payload);
Result<StageCredit> decode_stage_credit(std::string_view payload);

}  // namespace brevdue::ipc
