#include "daemon/submission_server.h"

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "core/crc32c.h"

namespace brevdue::daemon {

using ipc::SubmissionFrame;
using ipc::Ticket;

namespace {
constexpr std::size_t announce_backlog_max = 64 * 1024;
constexpr std::size_t stages_max = 16 * 1024;  // for one smtpd
}  // namespace

class SubmissionServer::Session : public std::enable_shared_from_this<Session> {
 public:
  Session(SubmissionServer& server, std::uint16_t slot, UniqueFd socket)
      : server_(server),
        slot_(slot),
        channel_(std::make_unique<ipc::Channel>(server.loop_, std::move(socket))) {}

  void start(const ipc::Hello& hello) {
    channel_->start(
        [self = weak_from_this()](std::uint8_t type, const ipc::Payload& payload, UniqueFd) {
          if (const auto session = self.lock()) session->on_frame(type, payload);
        },
        [self = weak_from_this()](const Error& reason) {
          if (const auto session = self.lock()) session->on_closed(reason);
        });
    send(SubmissionFrame::hello, encode(hello));
    announce(server_.state());
  }

  // What it has not taken of earlier ones is not worth another: the next one says all.
  void announce(const ipc::QueueState& state) {
    if (channel_ && channel_->unsent() > announce_backlog_max) return;
    send(SubmissionFrame::queue_state, encode(state));
  }

  // Tickets that are open in the queue are not answered any more; nothing else happens.
  void end() {
    stages_.clear();
    channel_.reset();
  }

 private:
  struct Stage {
    mail::QueueId id;
    std::shared_ptr<queue::StagedFile> file;  // none once it has failed
    std::optional<ErrorCode> failed;
    std::uint64_t size = 0;
    std::uint64_t unwritten = 0;  // of it, on its way to the file: the credit in use
    bool finished = false;        // by smtpd; its end is not decided yet
  };

  void send(SubmissionFrame type, std::string payload) {
    if (channel_) channel_->send(static_cast<std::uint8_t>(type), std::move(payload));
  }

  void on_closed(const Error& reason) {
    end();
    server_.log_.info(fmt::format("channel to smtpd {} closed: {}", slot_, describe(reason)));
    server_.remove(slot_, this);
  }

  void on_frame(std::uint8_t type, const ipc::Payload& payload) {
    Result<void> done;
    switch (static_cast<SubmissionFrame>(type)) {
      case SubmissionFrame::submit:
        done = on_submit(payload);
        break;
      case SubmissionFrame::stage_begin:
        done = on_stage_begin(payload);
        break;
      case SubmissionFrame::stage_chunk:
        done = on_stage_chunk(payload);
        break;
      case SubmissionFrame::stage_finish:
        done = on_stage_finish(payload);
        break;
      case SubmissionFrame::stage_abort:
        done = on_stage_abort(payload);
        break;
      default:
        done = fail(ErrorCode::protocol, fmt::format("unknown frame {}", type));
    }
    if (done) return;
    server_.log_.error(
        fmt::format("smtpd {}: {}; its channel is closed", slot_, describe(done.error())));
    end();
    server_.remove(slot_, this);
  }

  // The mark on the disk follows the ids: one from far in the future would use all of them up.
  Result<void> check(mail::QueueId id) const {
    if (id.slot() != slot_) return fail(ErrorCode::protocol, "queue id of another slot");
    if (id.time() > std::max(server_.clock_.wall(), server_.reserved_) + queue::IdFloor::ahead) {
      return fail(ErrorCode::protocol, "queue id from the future");
    }
    return {};
  }

  Result<mail::Envelope> check(std::string_view encoded, std::uint64_t size, std::uint32_t crc) {
    auto envelope = mail::decode_envelope(encoded);
    if (!envelope) return envelope;
    if (auto own = check(envelope->id); !own) return propagate(std::move(own.error()));
    if (envelope->recipients.empty()) return fail(ErrorCode::protocol, "no recipients");
    if (envelope->content.size != size || envelope->content.crc32c != crc || size == 0) {
      return fail(ErrorCode::protocol, "content is not what the envelope says");
    }
    return envelope;
  }

  Result<void> on_submit(const ipc::Payload& payload) {
    auto frame = ipc::decode_submit(payload);
    if (!frame) return propagate(std::move(frame.error()));
    auto envelope = check(frame->envelope, frame->content.size(), crc32c(frame->content));
    if (!envelope) return propagate(std::move(envelope.error()));
    if (envelope->content.staged) return fail(ErrorCode::protocol, "staged content in a frame");
    queue::NewMessage message{envelope->id,
                              SharedBytes(frame->envelope),
                              payload.keep(frame->content),
                              envelope->content.size,
                              static_cast<std::uint32_t>(envelope->recipients.size()),
                              false};
    enqueue(frame->ticket, *envelope, std::move(message));
    return {};
  }

  void enqueue(Ticket ticket, const mail::Envelope& envelope, queue::NewMessage message) {
    WallTime& highest = server_.highest_id_[slot_];
    highest = std::max(highest, envelope.id.time());
    server_.when_reserved(
        envelope.id.time(),
        [self = shared_from_this(), ticket, message = std::move(message)](bool reserved) mutable {
          self->enqueue_reserved(ticket, std::move(message), reserved);
        });
  }

  void enqueue_reserved(Ticket ticket, queue::NewMessage message, bool reserved) {
    if (!reserved) {
      if (message.staged) server_.queue_.staging().remove(message.id);
      return answer(ticket, ErrorCode::unavailable);
    }
    server_.queue_.enqueue(std::move(message),
                           [self = shared_from_this(), ticket](Result<void> result) {
                             if (result) return self->answer(ticket, std::nullopt);
                             self->answer(ticket, result.error().code);
                           });
  }

  Result<void> on_stage_begin(std::string_view payload) {
    auto frame = ipc::decode_stage_begin(payload);
    if (!frame) return propagate(std::move(frame.error()));
    if (auto own = check(frame->id); !own) return own;
    if (stages_.size() >= stages_max) return fail(ErrorCode::protocol, "too many staged at once");
    Stage stage{frame->id, server_.queue_.staging().open(frame->id), std::nullopt};
    if (!stages_.emplace(frame->ticket, std::move(stage)).second) {
      return fail(ErrorCode::protocol, "ticket in use");
    }
    return {};
  }

  Result<void> on_stage_chunk(const ipc::Payload& payload) {
    auto frame = ipc::decode_stage_chunk(payload);
    if (!frame) return propagate(std::move(frame.error()));
    const auto at = stages_.find(frame->ticket);
    if (at == stages_.end() || at->second.finished) {
      return fail(ErrorCode::protocol, "chunk without a ticket");
    }
    at->second.size += frame->bytes.size();
    if (at->second.size > server_.options_.content_size_max) {
      return fail(ErrorCode::protocol, "staged content over the limit");
    }
    const std::uint64_t size = frame->bytes.size();
    at->second.unwritten += size;
    if (at->second.unwritten > ipc::stage_credit_initial) {
      return fail(ErrorCode::protocol, "chunk without credit");
    }
    if (at->second.failed) {
      appended(frame->ticket, size, {});
      return {};
    }
    server_.queue_.staging().append(
        at->second.file, payload.keep(frame->bytes),
        [self = weak_from_this(), ticket = frame->ticket, size](Result<void> result) {
          if (const auto session = self.lock()) session->appended(ticket, size, result);
        });
    return {};
  }

  void appended(Ticket ticket, std::uint64_t size, const Result<void>& result) {
    const auto at = stages_.find(ticket);
    if (at == stages_.end()) return;
    if (!result && !at->second.failed) {
      at->second.failed = result.error().code;
      server_.log_.error(describe(result.error()));
      // Its room is for others from now on, however long this client goes on.
      at->second.file.reset();
    }
    at->second.unwritten -= size;
    // Credit goes on after a failure: the client is heard to the end, then told.
    send(SubmissionFrame::stage_credit, encode(ipc::StageCredit{ticket, size}));
  }

  Result<void> on_stage_finish(std::string_view payload) {
    auto frame = ipc::decode_stage_finish(payload);
    if (!frame) return propagate(std::move(frame.error()));
    const auto at = stages_.find(frame->ticket);
    if (at == stages_.end() || std::exchange(at->second.finished, true)) {
      return fail(ErrorCode::protocol, "finish without a ticket");
    }
    auto envelope = mail::decode_envelope(frame->envelope);
    if (!envelope) return propagate(std::move(envelope.error()));
    if (envelope->id != at->second.id || !envelope->content.staged ||
        envelope->recipients.empty() || envelope->content.size != at->second.size) {
      return fail(ErrorCode::protocol, "staged content is not what the envelope says");
    }
    if (at->second.failed) {
      const ErrorCode failed = *at->second.failed;
      stages_.erase(at);
      answer(frame->ticket, failed);
      return {};
    }
    auto file = at->second.file;
    auto finished = [self = weak_from_this(), ticket = frame->ticket,
                     envelope = std::move(*envelope),
                     bytes = SharedBytes(frame->envelope)](Result<void> result) mutable {
      if (const auto session = self.lock()) {
        session->sealed(ticket, envelope, std::move(bytes), std::move(result));
      }
    };
    server_.queue_.staging().finish(std::move(file), mail::ContentFacts(envelope->content),
                                    std::move(finished));
    return {};
  }

  void sealed(Ticket ticket, const mail::Envelope& envelope, SharedBytes encoded,
              Result<void> result) {
    const auto at = stages_.find(ticket);
    if (at == stages_.end()) {
      // Given up meanwhile: nothing refers to the file.
      if (result) server_.queue_.staging().remove(envelope.id);
      return;
    }
    const std::optional<ErrorCode> failed = at->second.failed;
    stages_.erase(at);
    if (failed) return answer(ticket, *failed);
    if (!result) {
      server_.log_.error(describe(result.error()));
      return answer(ticket, result.error().code);
    }
    enqueue(ticket, envelope,
            {envelope.id, std::move(encoded), SharedBytes(), envelope.content.size,
             static_cast<std::uint32_t>(envelope.recipients.size()), true});
  }

  Result<void> on_stage_abort(std::string_view payload) {
    auto ticket = ipc::decode_stage_abort(payload);
    if (!ticket) return propagate(std::move(ticket.error()));
    stages_.erase(*ticket);
    return {};
  }

  void answer(Ticket ticket, std::optional<ErrorCode> error) {
    acknowledgements_.push_back({ticket, !error, error.value_or(ErrorCode{})});
    if (acknowledgements_.size() > 1) return;
    server_.events_.post([self = shared_from_this()] {
      self->send(SubmissionFrame::acknowledgements, encode(self->acknowledgements_));
      self->acknowledgements_.clear();
    });
  }

  SubmissionServer& server_;
  std::uint16_t slot_;
  std::unique_ptr<ipc::Channel> channel_;  // none once it has ended
  std::unordered_map<Ticket, Stage> stages_;
  std::vector<ipc::Acknowledgement> acknowledgements_;
};

SubmissionServer::SubmissionServer(boost::asio::io_context& loop, queue::EventLoop& events,
                                   queue::Queue& queue, queue::IdFloor floor, const Clock& clock,
                                   const Log& log, SubmissionOptions options)
    : loop_(loop),
      events_(events),
      queue_(queue),
      floor_(std::make_shared<queue::IdFloor>(std::move(floor))),
      clock_(clock),
      log_(log),
      options_(options),
      reserved_(floor_->reserved()) {
  keep_reserving();
}

SubmissionServer::~SubmissionServer() {
  events_.cancel(timer_);
  // Sessions that the queue still refers to must let go of its staged files while it exists.
  for (const auto& [slot, session] : sessions_) session->end();
}

void SubmissionServer::configure(const SubmissionOptions& options) {
  options_.content_budget = options.content_budget;
  // An smtpd that was started before goes on with the limit it has.
  options_.content_size_max = std::max(options_.content_size_max, options.content_size_max);
}

void SubmissionServer::attach(std::uint16_t slot, UniqueFd socket) {
  auto session = std::make_shared<Session>(*this, slot, std::move(socket));
  if (const auto old = std::exchange(sessions_[slot], session)) old->end();
  const WallTime floor = std::max(floor_->floor(), highest_id_[slot]);
  session->start({slot, floor, options_.content_budget});
}

void SubmissionServer::remove(std::uint16_t slot, Session* session) {
  const auto at = sessions_.find(slot);
  if (at != sessions_.end() && at->second.get() == session) sessions_.erase(at);
}

ipc::QueueState SubmissionServer::state() const {
  return {queue_.is_available(), queue_.room(), queue_.staging().room()};
}

void SubmissionServer::announce_state() {
  const ipc::QueueState now = state();
  for (const auto& [slot, session] : sessions_) session->announce(now);
}

// An id may be committed only if the mark on the disk lies above it. The mark is moved ahead in
// time, so that a message waits for it only after the clock jumped forward.
void SubmissionServer::when_reserved(WallTime id, std::move_only_function<void(bool)> then) {
  reserve_ids(id);
  if (id < reserved_) return then(true);
  waiting_.push_back({id, std::move(then)});
}

void SubmissionServer::reserve_ids(WallTime up_to) {
  if (up_to < reserved_ - queue::IdFloor::ahead / 2 || reserving_) return;
  reserving_ = true;
  const WallTime mark = std::max(up_to, clock_.wall()) + queue::IdFloor::ahead;
  marks_.push([this, floor = floor_, mark, alive = std::weak_ptr(alive_)] {
    events_.post([this, mark, alive, result = floor->reserve_to(mark)] {
      if (!alive.expired()) moved_mark(mark, result);
    });
  });
}

void SubmissionServer::moved_mark(WallTime mark, const Result<void>& result) {
  reserving_ = false;
  if (result)
    reserved_ = std::max(reserved_, mark);
  else
    log_.error(describe(result.error()));
  for (auto& waiting : std::exchange(waiting_, {})) waiting.then(waiting.id < reserved_);
}

void SubmissionServer::keep_reserving() {
  reserve_ids(clock_.wall());
  timer_ = events_.run_after(std::chrono::seconds(10), [this] { keep_reserving(); });
}

}  // namespace brevdue::daemon
