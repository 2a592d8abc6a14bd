#include "daemon/queue_link.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace brevdue::daemon {

using ipc::SubmissionFrame;

namespace {
// Below this much room on the disk no new message is begun: what others have in hand still fits.
constexpr std::uint64_t room_floor = 4u << 20;
}  // namespace

QueueLink::QueueLink(boost::asio::io_context& loop, const Clock& clock, const Log& log)
    : loop_(loop), clock_(clock), log_(log) {}

void QueueLink::attach(UniqueFd socket) {
  if (channel_) on_closed();
  channel_ = std::make_unique<ipc::Channel>(loop_, std::move(socket));
  channel_->start(
      [this](std::uint8_t type, std::string_view payload, UniqueFd) { on_frame(type, payload); },
      [this](const Error& reason) {
        log_.warning("the queue is out of reach: " + describe(reason));
        on_lost();
      });
}

void QueueLink::on_lost() {
  on_closed();
  if (when_lost_) when_lost_();
}

void QueueLink::on_closed() {
  channel_.reset();
  state_ = {};
  auto waiting = std::exchange(waiting_, {});
  auto stages = std::exchange(stages_, {});
  stage_of_.clear();
  promised_ = 0;
  for (auto& [ticket, done] : waiting) done(fail(ErrorCode::unavailable, "queue"));
  for (auto& [id, stage] : stages) {
    if (stage.more) stage.more(fail(ErrorCode::unavailable, "queue"));
  }
}

void QueueLink::on_frame(std::uint8_t type, std::string_view payload) {
  Result<void> done;
  switch (static_cast<SubmissionFrame>(type)) {
    case SubmissionFrame::hello:
      done = on_hello(payload);
      break;
    case SubmissionFrame::acknowledgements:
      done = on_acknowledgements(payload);
      break;
    case SubmissionFrame::stage_credit:
      done = on_credit(payload);
      break;
    case SubmissionFrame::queue_state:
      if (auto state = ipc::decode_queue_state(payload))
        state_ = *state;
      else
        done = std::unexpected(std::move(state.error()));
      break;
    default:
      done = fail(ErrorCode::protocol, fmt::format("unknown frame {}", type));
  }
  if (done) return;
  log_.error("qmgr: " + describe(done.error()) + "; its channel is closed");
  on_lost();
}

Result<void> QueueLink::on_hello(std::string_view payload) {
  auto hello = ipc::decode_hello(payload);
  if (!hello) return propagate(std::move(hello.error()));
  if (!ids_) ids_.emplace(hello->slot, hello->floor);
  ids_->raise_floor(hello->floor);
  if (ids_->slot() != hello->slot) return fail(ErrorCode::protocol, "the slot changed");
  room_.set_capacity(hello->content_budget);
  if (auto ready = std::exchange(when_ready_, nullptr)) ready();
  return {};
}

Result<void> QueueLink::on_acknowledgements(std::string_view payload) {
  auto acknowledgements = ipc::decode_acknowledgements(payload);
  if (!acknowledgements) return propagate(std::move(acknowledgements.error()));
  for (const ipc::Acknowledgement& one : *acknowledgements) {
    auto node = waiting_.extract(one.ticket);
    if (node.empty()) return fail(ErrorCode::protocol, "an answer to a ticket that is not open");
    if (one.durable)
      node.mapped()({});
    else
      node.mapped()(fail(one.error, "queue"));
  }
  return {};
}

Result<void> QueueLink::on_credit(std::string_view payload) {
  auto frame = ipc::decode_stage_credit(payload);
  if (!frame) return propagate(std::move(frame.error()));
  const auto ticket = stage_of_.find(frame->ticket);
  if (ticket == stage_of_.end()) return {};  // aborted or finished meanwhile
  Stage& stage = stages_.at(ticket->second);
  if (frame->bytes > stage.unwritten) return fail(ErrorCode::protocol, "credit for nothing");
  stage.unwritten -= frame->bytes;
  if (stage.more && stage.unwritten == 0) std::exchange(stage.more, nullptr)({});
  return {};
}

Result<void> QueueLink::availability(std::uint64_t announced_size) const {
  if (!channel_ || !state_.available) return fail(ErrorCode::unavailable, "queue");
  if (state_.room < room_floor) return fail(ErrorCode::storage_full, "queue");
  const bool is_staged = announced_size > smtp::small_content_bytes_max;
  if (is_staged && state_.staged_room < promised_ + announced_size) {
    return fail(ErrorCode::storage_full, "staging");
  }
  return {};
}

mail::QueueId QueueLink::next_id() {
  BREVDUE_ASSERT(ids_.has_value());
  return ids_->next(clock_.wall());
}

void QueueLink::send(SubmissionFrame type, std::string head, SharedBytes tail) {
  channel_->send(static_cast<std::uint8_t>(type), std::move(head), std::move(tail));
}

void QueueLink::submit(mail::Envelope&& envelope, SharedBytes content, Done done) {
  if (!channel_) return done(fail(ErrorCode::unavailable, "queue"));
  const ipc::Ticket ticket = ++last_ticket_;
  waiting_.emplace(ticket, std::move(done));
  send(SubmissionFrame::submit, ipc::encode_submit_head(ticket, mail::encode(envelope)),
       std::move(content));
}

void QueueLink::begin_staging(mail::QueueId id, std::uint64_t announced_size) {
  if (!channel_) return;
  const ipc::Ticket ticket = ++last_ticket_;
  stage_of_.emplace(ticket, id);
  stages_.emplace(id, Stage{.ticket = ticket, .promised = announced_size, .more = {}});
  promised_ += announced_size;
  send(SubmissionFrame::stage_begin, encode(ipc::StageBegin{ticket, id}));
}

void QueueLink::append(mail::QueueId id, SharedBytes chunk, Done more) {
  const auto at = stages_.find(id);
  if (!channel_ || at == stages_.end()) return more(fail(ErrorCode::unavailable, "queue"));
  Stage& stage = at->second;
  BREVDUE_ASSERT(!stage.more && stage.unwritten + chunk.size() <= ipc::stage_credit_initial);
  stage.unwritten += chunk.size();
  const std::uint64_t kept = std::min<std::uint64_t>(stage.promised, chunk.size());
  stage.promised -= kept;
  promised_ -= kept;
  send(SubmissionFrame::stage_chunk, ipc::encode_stage_chunk_head(stage.ticket), std::move(chunk));
  // The next chunk is read while this one is nowhere any more but in the file: a message has one
  // chunk in memory, here or in qmgr.
  stage.more = std::move(more);
}

void QueueLink::release(const Stage& stage) {
  stage_of_.erase(stage.ticket);
  promised_ -= stage.promised;
}

void QueueLink::finish(mail::Envelope&& envelope, Done done) {
  auto node = stages_.extract(envelope.id);
  if (!channel_ || node.empty()) return done(fail(ErrorCode::unavailable, "queue"));
  const ipc::Ticket ticket = node.mapped().ticket;
  release(node.mapped());
  waiting_.emplace(ticket, std::move(done));
  const std::string encoded = mail::encode(envelope);
  send(SubmissionFrame::stage_finish, encode(ipc::StageFinish{ticket, encoded}));
}

void QueueLink::abort(mail::QueueId id) {
  auto node = stages_.extract(id);
  if (node.empty()) return;
  release(node.mapped());
  if (channel_) send(SubmissionFrame::stage_abort, ipc::encode_stage_abort(node.mapped().ticket));
}

void QueueLink::log(std::string_view program, std::string_view text) {
  log_.as(program, text);
}

}  // namespace brevdue::daemon
