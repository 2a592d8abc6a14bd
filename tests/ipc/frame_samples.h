// One or more good payloads for every codec of frame_codecs.h, named as it is.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "tests/ipc/frame_codecs.h"

namespace brevdue::tests {

inline ipc::QueueEntry sample_entry() {
  using std::chrono_literals::operator""us;
  ipc::QueueEntry entry;
  entry.id = mail::QueueId(0x0123456789abcdef);
  entry.arrival = WallTime(1'700'000'000'123'456us);
  entry.size = 70'000;
  entry.reverse_path = "sender@example.org";
  entry.active = true;
  entry.attempts = 300;
  entry.next_attempt = WallTime(1'700'000'100'000'000us);
  entry.recipients = {{"one@example.org", "rfc822;One@example.org", mail::RecipientStatus::deferred,
                       "450 4.2.0 later"},
                      {"two@example.net", "", mail::RecipientStatus::pending, ""}};
  return entry;
}

inline ipc::ControlRequest sample_request() {
  ipc::ControlRequest request;
  request.verb = ipc::ControlVerb::hold;
  request.ids = {mail::QueueId(1), mail::QueueId(UINT64_MAX)};
  request.destination = "example.org";
  request.reverse_path = "<>";
  request.rate = 16u << 20;
  request.path = "/disk1/brevdue";
  return request;
}

inline std::multimap<std::string_view, std::string> frame_samples() {
  using std::chrono_literals::operator""us;
  const std::vector<ipc::Acknowledgement> acknowledgements = {
      {1, true, {}}, {2, false, ErrorCode::storage_full}, {UINT64_MAX, false, ErrorCode::protocol}};
  ipc::ControlRequest all;
  all.all = true;
  return {
      {"hello", encode(ipc::Hello{4095, WallTime(1'700'000'000'000'000us), 1 << 28})},
      {"hello", encode(ipc::Hello{})},
      {"queue_state", encode(ipc::QueueState{true, UINT64_MAX, 7})},
      {"queue_state", encode(ipc::QueueState{})},
      {"acknowledgements", encode(acknowledgements)},
      {"submit", ipc::encode_submit_head(7, "envelope") + "content"},
      {"submit", ipc::encode_submit_head(UINT64_MAX, "")},
      {"stage_begin", encode(ipc::StageBegin{9, mail::QueueId(12345)})},
      {"stage_chunk", ipc::encode_stage_chunk_head(9) + "some bytes"},
      {"stage_finish", encode(ipc::StageFinish{9, "envelope"})},
      {"stage_abort", ipc::encode_stage_abort(9)},
      {"stage_credit", encode(ipc::StageCredit{9, 262'144})},
      {"control_request", encode(sample_request())},
      {"control_request", encode(all)},
      {"control_done", encode(ipc::ControlDone{130, true, "no such message"})},
      {"control_done", encode(ipc::ControlDone{})},
      {"mirror_side_status",
       encode(ipc::MirrorSideStatus{ipc::MirrorSideStatus::State::behind, 7, 100, 20, 1u << 30,
                                    std::chrono::milliseconds(1500), "/disk2/brevdue", ""})},
      {"mirror_side_status", encode(ipc::MirrorSideStatus{})},
      {"verify_progress", encode(ipc::VerifyProgress{1, 2, 3, 1u << 30, 5, 6})},
      {"verify_progress", encode(ipc::VerifyProgress{})},
      {"queue_entry", encode(sample_entry())},
      {"queue_entry", encode(ipc::QueueEntry{})},
  };
}

}  // namespace brevdue::tests
