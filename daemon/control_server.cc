#include "daemon/control_server.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <functional>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/verification.h"
#include "ipc/channel.h"
#include "ipc/control_frames.h"
#include "ipc/mirror_side_status.h"
#include "ipc/queue_entry.h"

namespace brevdue::daemon {

using ipc::ControlFrame;
using ipc::ControlVerb;

namespace {
constexpr std::size_t sessions_max = 64;
constexpr std::size_t slice = 256;  // also the changes of one request that are not durable yet
constexpr std::size_t content_piece = 64 * 1024;
constexpr std::chrono::milliseconds recovery_poll{20};
constexpr std::chrono::seconds request_patience{30};
constexpr std::chrono::milliseconds accept_again{100};

std::string_view name_of(ControlVerb verb) {
  switch (verb) {
    case ControlVerb::list:
      return "list";
    case ControlVerb::show:
      return "show";
    case ControlVerb::hold:
      return "hold";
    case ControlVerb::release:
      return "release";
    case ControlVerb::retry:
      return "retry";
    case ControlVerb::bounce:
      return "bounce";
    case ControlVerb::discard:
      return "delete";
    case ControlVerb::flush:
      return "flush";
    case ControlVerb::statistics:
      return "stats";
    case ControlVerb::verify:
      return "verify";
    case ControlVerb::mirror_status:
      return "mirror status";
    case ControlVerb::mirror_resync:
      return "mirror resync";
    case ControlVerb::mirror_detach:
      return "mirror detach";
    case ControlVerb::mirror_attach:
      return "mirror attach";
  }
  return "unknown";
}

bool is_of_the_mirror(ControlVerb verb) {
  return verb == ControlVerb::mirror_status || verb == ControlVerb::mirror_resync ||
         verb == ControlVerb::mirror_detach || verb == ControlVerb::mirror_attach;
}

ipc::MirrorSideStatus status_of(const mirror::SideStatus& side) {
  using State = ipc::MirrorSideStatus::State;
  ipc::MirrorSideStatus status;
  status.state = side.state == mirror::SideState::current  ? State::current
                 : side.state == mirror::SideState::behind ? State::behind
                                                           : State::left;
  status.epoch = side.epoch;
  status.messages = side.progress.messages;
  status.messages_left = side.progress.messages_left;
  status.bytes = side.progress.bytes;
  status.elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - side.progress.since);
  status.path = side.path;
  status.why = side.why;
  return status;
}

Result<void> change_mirror(mirror::MirrorSpool& mirror, ControlVerb verb, std::string path) {
  if (verb == ControlVerb::mirror_detach) return mirror.detach(path);
  if (verb == ControlVerb::mirror_attach) return mirror.attach(path, false);
  auto left = mirror.left_side();
  if (!left) return propagate(std::move(left.error()));
  return mirror.attach(*left, true);
}

// Of those, the context says it all.
std::string in_words(const Error& error) {
  return error.code == ErrorCode::busy ? error.context : describe(error);
}

bool may_ask(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  return peer.uid == 0 || peer.uid == ::geteuid();
}
}  // namespace

class ControlServer::Session : public std::enable_shared_from_this<Session> {
 public:
  Session(ControlServer& server, UniqueFd socket)
      : server_(server), channel_(server.loop_, std::move(socket)) {}

  void start() {
    channel_.start(
        [self = weak_from_this()](std::uint8_t type, std::string_view payload, UniqueFd) {
          if (const auto session = self.lock()) session->on_frame(type, payload);
        },
        [self = weak_from_this()](const Error&) {
          if (const auto session = self.lock()) session->end();
        });
    server_.events_.run_after(request_patience, [self = weak_from_this()] {
      const auto session = self.lock();
      if (session && !session->asked_) session->end();
    });
  }

 private:
  void end() { server_.remove(this); }

  void send(ControlFrame type, std::string payload, SharedBytes tail = {}) {
    channel_.send(static_cast<std::uint8_t>(type), std::move(payload), std::move(tail));
  }

  // The channel is the session's own: a task in it that kept the session would keep both for ever.
  void when_drained(std::function<void(Session&)> task) {
    channel_.when_drained([self = weak_from_this(), task = std::move(task)] {
      if (const auto session = self.lock()) task(*session);
    });
  }

  void finish(std::string trouble = {}) {
    finished_ = true;
    const bool failed = !trouble.empty();
    send(ControlFrame::done, encode(ipc::ControlDone{matched_, failed, std::move(trouble)}));
    when_drained([](Session& self) { self.end(); });
  }

  void on_frame(std::uint8_t type, std::string_view payload) {
    auto request = ipc::decode_control_request(payload);
    if (type != static_cast<std::uint8_t>(ControlFrame::request) || !request || asked_)
      return end();
    asked_ = true;
    request_ = std::move(*request);
    if (!request_.destination.empty()) {
      request_.destination = mail::domain_of("@" + request_.destination);
    }
    begin();
  }

  void show_statistics() {
    const queue::CommitterStatistics done = server_.queue_.statistics();
    const auto last =
        std::chrono::duration_cast<std::chrono::microseconds>(done.last_commit).count();
    send(ControlFrame::line, fmt::format("queued {}", server_.queue_.size()));
    send(ControlFrame::line, fmt::format("commits {}", done.batches));
    send(ControlFrame::line, fmt::format("enqueued {}", done.enqueued));
    send(ControlFrame::line, fmt::format("changes {}", done.mutations));
    send(ControlFrame::line, fmt::format("last_commit_us {}", last));
    finish();
  }

  // Until recovery has ended the index lacks what is on the disk: an answer would be wrong.
  void begin() {
    if (request_.verb == ControlVerb::statistics) return show_statistics();
    if (is_of_the_mirror(request_.verb)) return mirror();
    if (server_.queue_.recovering()) {
      server_.events_.run_after(recovery_poll, [self = shared_from_this()] {
        if (self->channel_.is_open()) self->begin();
      });
      return;
    }
    if (request_.verb == ControlVerb::flush && flush()) return;
    if (request_.verb == ControlVerb::verify) return verify();
    ids_ = std::move(request_.ids);
    named_ = !ids_.empty();
    const bool narrowed = !request_.destination.empty() || !request_.reverse_path.empty();
    if (!named_ && (request_.all || narrowed)) {
      server_.queue_.for_each([this](mail::QueueId id) { ids_.push_back(id); });
      std::ranges::sort(ids_);
    }
    if (request_.verb != ControlVerb::list) {
      server_.log_.info(
          fmt::format("operator: {} of up to {} messages", name_of(request_.verb), ids_.size()));
    }
    work();
  }

  void mirror() {
    const auto& spool = server_.spool_.mirror;
    if (spool == nullptr) return finish("there is no mirror: queue.backend is not \"mirror\"");
    if (request_.verb == ControlVerb::mirror_status) {
      for (const auto& side : spool->status()) send(ControlFrame::side, encode(status_of(side)));
      return finish();
    }
    server_.log_.info(fmt::format("operator: {}{}{}", name_of(request_.verb),
                                  request_.path.empty() ? "" : " ", request_.path));
    // It may wait for a disk. The session is the loop's: only its end comes back to it.
    server_.mirror_work_.push([spool, &events = server_.events_, verb = request_.verb,
                               path = request_.path, session = weak_from_this()] {
      auto done = change_mirror(*spool, verb, path);
      events.post([session, done = std::move(done)] {
        const auto self = session.lock();
        if (self == nullptr) return;
        if (done) return self->finish();
        const Error& error = done.error();
        self->finish(error.os_error == 0 ? error.context : describe(error));
      });
    });
  }

  // It ends with the session.
  void verify() {
    server_.log_.info(fmt::format("operator: verify of {} messages", server_.queue_.size()));
    std::vector<std::string> spools;
    for (const auto& side : server_.spool_.sides->taking_part()) spools.push_back(side->path);
    verification_ = std::make_unique<Verification>(
        server_.events_, server_.queue_, server_.log_, std::move(spools), request_.rate,
        Verification::Callbacks{
            .found = [this](std::string line) { send(ControlFrame::line, std::move(line)); },
            .progress =
                [this](const ipc::VerifyProgress& progress) {
                  // A client that does not read gets no more of them.
                  if (channel_.unsent() == 0) send(ControlFrame::progress, encode(progress));
                },
            .ended =
                [this](const Result<void>& result, const ipc::VerifyProgress& progress) {
                  send(ControlFrame::progress, encode(progress));
                  matched_ = progress.messages;
                  finish(result ? std::string() : describe(result.error()));
                }});
    verification_->start();
  }

  // Whether that is all there is to do.
  bool flush() {
    Dispatcher& dispatcher = server_.dispatcher_;
    const auto count =
        request_.destination.empty() ? dispatcher.flush() : dispatcher.flush(request_.destination);
    if (!count) return false;
    matched_ = *count;
    finish();
    return true;
  }

  bool changes() const {
    return request_.verb == ControlVerb::hold || request_.verb == ControlVerb::release ||
           request_.verb == ControlVerb::bounce || request_.verb == ControlVerb::discard;
  }

  std::size_t slice_size() const {
    const std::size_t left = ids_.size() - next_;
    if (request_.verb == ControlVerb::show) return std::min<std::size_t>(left, 1);
    return std::min(left, changes() ? slice - std::min(slice, changing_) : slice);
  }

  // One slice; the rest when the client has taken it and what was changed is durable.
  void work() {
    if (finished_ || reading_) return;
    const std::size_t size = slice_size();
    if (size == 0) {
      if (next_ == ids_.size() && changing_ == 0) finish();
      return;
    }
    const auto first = ids_.begin() + static_cast<std::ptrdiff_t>(next_);
    std::vector<mail::QueueId> some(first, first + static_cast<std::ptrdiff_t>(size));
    next_ += size;
    reading_ = true;
    server_.queue_.look_at(
        some, [self = shared_from_this(), some](std::vector<Result<queue::MessagePtr>> found) {
          self->reading_ = false;
          if (!self->channel_.is_open()) return;
          for (std::size_t i = 0; i < some.size(); ++i) self->one(some[i], found[i]);
          if (!self->reading_) self->work_when_drained();
        });
  }

  void work_when_drained() {
    when_drained([](Session& self) { self.work_soon(); });
  }

  void work_soon() {
    if (std::exchange(scheduled_, true)) return;
    server_.events_.post([self = shared_from_this()] {
      self->scheduled_ = false;
      if (self->channel_.is_open()) self->work();
    });
  }

  bool selected(const queue::QueuedMessage& message) const {
    if (request_.reverse_path.empty() && request_.destination.empty()) return true;
    const auto decoded = mail::decode_envelope(message.envelope.view());
    BREVDUE_ASSERT(decoded.has_value());  // The queue has decoded it before.
    const mail::Envelope& envelope = *decoded;
    if (!request_.reverse_path.empty()) {
      const std::string wanted = request_.reverse_path == "<>" ? "" : request_.reverse_path;
      if (envelope.reverse_path != wanted) return false;
    }
    if (request_.destination.empty()) return true;
    return std::ranges::any_of(envelope.recipients, [&](const mail::Recipient& recipient) {
      return mail::domain_of(recipient.address) == request_.destination;
    });
  }

  void one(mail::QueueId id, const Result<queue::MessagePtr>& found) {
    // One that is on its way out is listed until that is durable, and left alone otherwise.
    const bool leaving = server_.queue_.contains(id) && !server_.queue_.stays(id);
    if (!server_.queue_.contains(id) || (leaving && request_.verb != ControlVerb::list)) {
      if (named_) send(ControlFrame::line, id.text() + ": no such message in the queue");
      return;
    }
    const bool unreadable = named_ || request_.verb == ControlVerb::list;
    if (found ? !selected(**found) : !unreadable) return;
    ++matched_;
    if (request_.verb == ControlVerb::discard) {
      return server_.dispatcher_.discard(id, completion());
    }
    if (changes()) return change(id);
    if (!found) {
      --matched_;
      return send(ControlFrame::line, "cannot be read from the queue: " + describe(found.error()));
    }
    if (request_.verb == ControlVerb::list || request_.verb == ControlVerb::show) {
      return list(**found, leaving);
    }
    const Result<void> retried = server_.dispatcher_.retry(**found);
    if (retried) return;
    --matched_;
    if (request_.verb == ControlVerb::retry) {
      send(ControlFrame::line, in_words(retried.error()));
    }
  }

  void list(const queue::QueuedMessage& message, bool leaving) {
    const auto envelope = mail::decode_envelope(message.envelope.view());
    const bool active = leaving || server_.dispatcher_.is_active(message.id);
    send(ControlFrame::entry, encode(ipc::make_queue_entry(*envelope, message.state, active)));
    if (request_.verb == ControlVerb::show) show_content(message.id);
  }

  void change(mail::QueueId id) {
    server_.queue_.load(id, [self = shared_from_this(),
                             done = completion()](Result<queue::MessagePtr> message) mutable {
      if (!message) return done(std::unexpected(std::move(message.error())));
      Dispatcher& dispatcher = self->server_.dispatcher_;
      switch (self->request_.verb) {
        case ControlVerb::hold:
          return dispatcher.hold(*message, std::move(done));
        case ControlVerb::release:
          return dispatcher.release(*message, std::move(done));
        default:
          return dispatcher.bounce(*message, std::move(done));
      }
    });
  }

  Dispatcher::Done completion() {
    ++changing_;
    return [self = shared_from_this()](const Result<void>& result) {
      --self->changing_;
      if (!result) --self->matched_;
      if (!result) self->send(ControlFrame::line, in_words(result.error()));
      self->work_soon();
    };
  }

  void show_content(mail::QueueId id) {
    reading_ = true;
    server_.queue_.read(id, [self = shared_from_this()](Result<queue::Content> content) {
      if (!content) {
        self->send(ControlFrame::line, describe(content.error()));
        return self->content_sent();
      }
      if (content->file)
        return self->send_file(std::make_shared<UniqueFd>(std::move(content->file)), 0);
      self->send(ControlFrame::content, {}, std::move(content->bytes));
      self->content_sent();
    });
  }

  void send_file(std::shared_ptr<UniqueFd> file, std::uint64_t offset) {
    std::string piece(content_piece, '\0');
    const ssize_t n = ::pread(file->get(), piece.data(), piece.size(), static_cast<off_t>(offset));
    if (n <= 0) {
      if (n < 0) send(ControlFrame::line, "the staged content cannot be read");
      return content_sent();
    }
    piece.resize(static_cast<std::size_t>(n));
    send(ControlFrame::content, std::move(piece));
    when_drained([file, next = offset + static_cast<std::uint64_t>(n)](Session& self) {
      if (self.channel_.is_open()) self.send_file(file, next);
    });
  }

  void content_sent() {
    reading_ = false;
    work_when_drained();
  }

  ControlServer& server_;
  ipc::Channel channel_;
  ipc::ControlRequest request_;
  std::vector<mail::QueueId> ids_;
  std::unique_ptr<Verification> verification_;
  std::size_t next_ = 0;
  std::uint64_t matched_ = 0;
  std::size_t changing_ = 0;
  bool asked_ = false;
  bool named_ = false;    // the messages were asked for by their ids
  bool reading_ = false;  // a slice, or the content that is shown
  bool scheduled_ = false;
  bool finished_ = false;
};

ControlServer::ControlServer(boost::asio::io_context& loop, queue::EventLoop& events,
                             UniqueFd listener, queue::Queue& queue, Dispatcher& dispatcher,
                             const Log& log, const Spool& spool)
    : loop_(loop),
      events_(events),
      listener_(loop, listener.release()),
      queue_(queue),
      dispatcher_(dispatcher),
      log_(log),
      spool_(spool) {
  accept();
}

ControlServer::~ControlServer() {
  events_.cancel(accept_timer_);
  sessions_.clear();
}

void ControlServer::accept() {
  if (accepting_ || sessions_.size() >= sessions_max) return;
  accepting_ = true;
  listener_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                       [this](boost::system::error_code error) {
                         accepting_ = false;
                         if (!error) take_one();
                       });
}

void ControlServer::take_one() {
  UniqueFd socket(
      ::accept4(listener_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
    // It stays readable: asked again at once, the loop would do nothing else.
    accept_timer_ = events_.run_after(accept_again, [this] { accept(); });
    return;
  }
  if (socket && may_ask(socket.get())) {
    sessions_.push_back(std::make_shared<Session>(*this, std::move(socket)));
    sessions_.back()->start();
  }
  accept();
}

void ControlServer::remove(const Session* session) {
  sessions_.remove_if([session](const auto& other) { return other.get() == session; });
  accept();
}

}  // namespace brevdue::daemon
