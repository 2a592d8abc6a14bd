#include "bench/load/sink_server.h"

#include <cerrno>
#include <chrono>
#include <utility>

#include <sys/epoll.h>
#include <sys/socket.h>

namespace brevdue::load {

namespace {

constexpr std::size_t buffer_size = 65536;

}  // namespace

class SinkConnection final : public EventHandler {
 public:
  SinkConnection(SinkServer& server, UniqueFd fd)
      : server_(server), fd_(std::move(fd)), session_(server.shared_) {}

  void start() {
    if (!server_.loop_.add(fd_.get(), EPOLLIN, this)) return end();
    session_.greet();
    server_.mark_dirty(this);
  }

  void on_events(std::uint32_t events) override {
    if (!fd_) return;
    if ((events & EPOLLOUT) != 0) send();
    if (fd_ && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) read();
  }

  void on_timer() override {
    delayed_ = false;
    send();
  }

  // Called once a round, when the book is on its way to the disk.
  void flush() {
    dirty_ = false;
    if (!fd_ || delayed_) return;
    const auto latency = server_.options_.latency;
    if (latency.count() > 0 && !session_.out().empty()) {
      delayed_ = true;
      server_.loop_.set_timer(this, std::chrono::steady_clock::now() + latency);
      return;
    }
    send();
  }

  bool dirty_ = false;

 private:
  void read() {
    const ssize_t got = ::recv(fd_.get(), server_.buffer_.get(), buffer_size, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) return end();
    if (session_.ending() != SinkSession::Ending::none || !session_.endless().empty()) return;
    session_.feed({server_.buffer_.get(), static_cast<std::size_t>(got)});
    server_.mark_dirty(this);
  }

  void send() {
    std::string& out = session_.out();
    bool blocked = false;
    while (!blocked) {
      if (sent_ == out.size()) {
        out.clear();
        sent_ = 0;
        // More of it when the socket is next found writable, so that the others get their turn.
        blocked = !session_.endless().empty();
        while (blocked && out.size() < 4096) out += session_.endless();
        break;
      }
      const ssize_t count = ::send(fd_.get(), out.data() + sent_, out.size() - sent_, MSG_NOSIGNAL);
      if (count >= 0) {
        sent_ += static_cast<std::size_t>(count);
      } else if (errno == EAGAIN) {
        blocked = true;
      } else if (errno != EINTR) {
        return end();
      }
    }
    if (!blocked && session_.ending() != SinkSession::Ending::none) return close_as_asked();
    if (blocked == want_write_) return;
    want_write_ = blocked;
    if (!server_.loop_.modify(fd_.get(), blocked ? EPOLLIN | EPOLLOUT : EPOLLIN, this)) end();
  }

  void close_as_asked() {
    switch (session_.ending()) {
      case SinkSession::Ending::reset: {
        const linger hard{.l_onoff = 1, .l_linger = 0};
        // Without the option the connection ends with a FIN in place of a reset.
        static_cast<void>(::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard));
        return end();
      }
      case SinkSession::Ending::stall:
        return;
      default:
        // What the peer still sends must not turn the close into a reset that overtakes the reply.
        ::shutdown(fd_.get(), SHUT_WR);
        return;
    }
  }

  void end() {
    fd_.reset();
    server_.forget(this);
  }

  SinkServer& server_;
  UniqueFd fd_;
  SinkSession session_;
  std::size_t sent_ = 0;
  bool want_write_ = false;
  bool delayed_ = false;
};

SinkServer::SinkServer(SinkOptions options)
    : options_(std::move(options)),
      shared_{.options = options_,
              .faults = FaultPlan(options_.faults, options_.seed),
              .book = {},
              .counters = {}},
      buffer_(std::make_unique<char[]>(buffer_size)),
      control_(loop_, shared_) {}

SinkServer::~SinkServer() = default;

Result<void> SinkServer::open() {
  if (auto opened = loop_.open(); !opened) return opened;
  auto address = SocketAddress::resolve(options_.listen);
  if (!address) return propagate(std::move(address.error()));
  auto listener = address->listen(4096);
  if (!listener) return propagate(std::move(listener.error()));
  listener_ = std::move(*listener);
  auto bound = SocketAddress::of_socket(listener_.get());
  if (!bound) return propagate(std::move(bound.error()));
  address_ = *bound;
  if (auto opened = shared_.book.open(options_.book); !opened) return opened;
  if (auto opened = control_.open(options_.control); !opened) return opened;
  return loop_.add(listener_.get(), EPOLLIN | EPOLLET, this);
}

Result<void> SinkServer::run() {
  return loop_.run([this] { return end_of_round(); });
}

void SinkServer::on_events(std::uint32_t) {
  accept_all();
}

void SinkServer::accept_all() {
  for (;;) {
    UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      // Out of descriptors: the edge will not come again, so look again a little later.
      if (errno != EAGAIN) {
        loop_.set_timer(this, std::chrono::steady_clock::now() + std::chrono::milliseconds(50));
      }
      return;
    }
    set_no_delay(fd.get());
    ++shared_.counters.connections;
    auto connection = std::make_unique<SinkConnection>(*this, std::move(fd));
    SinkConnection* raw = connection.get();
    connections_.emplace(raw, std::move(connection));
    raw->start();
  }
}

void SinkServer::mark_dirty(SinkConnection* connection) {
  if (std::exchange(connection->dirty_, true)) return;
  dirty_.push_back(connection);
}

void SinkServer::forget(SinkConnection* connection) {
  const auto found = connections_.find(connection);
  loop_.bury(std::move(found->second));
  connections_.erase(found);
}

Result<void> SinkServer::end_of_round() {
  if (auto flushed = shared_.book.flush(); !flushed) return flushed;
  for (std::size_t i = 0; i < dirty_.size(); ++i) dirty_[i]->flush();
  dirty_.clear();
  if (options_.until > 0 && shared_.counters.messages >= options_.until) loop_.stop();
  return {};
}

}  // namespace brevdue::load
