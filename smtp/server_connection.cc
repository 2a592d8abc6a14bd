#include "smtp/server_connection.h"

#include <cerrno>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace brevdue::smtp {

namespace asio = boost::asio;
using asio::ip::tcp;

static constexpr auto token = asio::as_tuple(asio::use_awaitable);

ServerConnection::ServerConnection(tcp::socket socket, const IpAddress& client,
                                   ServerContext& context)
    : socket_(std::move(socket)),
      client_(client),
      context_(context),
      timer_(socket_.get_executor()) {}

void ServerConnection::prepare() {
  session_ = std::make_shared<ServerSession>(context_.options, context_.reception, context_.clock,
                                             client_, [weak = weak_from_this()] {
                                               if (const auto self = weak.lock()) self->wake();
                                             });
  boost::system::error_code ignored;
  // Each write is a whole group of replies: there is nothing to wait for.
  socket_.set_option(tcp::no_delay(true), ignored);
}

asio::awaitable<void> ServerConnection::run() {
  co_await asio::this_coro::throw_if_cancelled(false);
  prepare();
  if (draining_) session_->drain();
  if (read() == Io::broken) lost();
  session_->greet();
  while (true) {
    const Io written = write();
    if (written == Io::broken) lost();
    if (written == Io::blocked) {
      keep_deadline(deadline());
      co_await socket_.async_wait(tcp::socket::wait_write, token);
      if (expired_) lost();
      if (gone_) break;
      continue;
    }
    if (session_->finished()) break;
    if (session_->waiting()) {
      keep_deadline(deadline());
      co_await progress();
      if (std::exchange(expired_, false)) session_->timed_out();
      // Between DATA and our 354 the client had to be silent, also while it waited for room.
      if (session_->client_must_be_silent()) read();
      continue;
    }
    if (!kept_.empty()) {
      give(std::exchange(kept_, {}));
      continue;
    }
    keep_deadline(deadline());
    co_await socket_.async_wait(tcp::socket::wait_read, token);
    if (std::exchange(expired_, false)) {
      session_->timed_out();
    } else if (!session_->finished() && read() == Io::broken) {
      lost();
    }
  }
  co_await see_off();
  timer_.cancel();
  boost::system::error_code ignored;
  socket_.close(ignored);
}

ServerConnection::Io ServerConnection::read() {
  std::vector<char>& buffer = context_.read_buffer;
  const auto size = ::recv(socket_.native_handle(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (size > 0) {
    give({buffer.data(), static_cast<std::size_t>(size)});
    return Io::progress;
  }
  if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return Io::blocked;
  return Io::broken;
}

void ServerConnection::give(std::string_view bytes) {
  const std::size_t taken = session_->receive(bytes);
  if (taken < bytes.size()) kept_.assign(bytes.substr(taken));
}

ServerConnection::Io ServerConnection::write() {
  while (true) {
    const std::string_view rest = session_->output().substr(written_);
    if (rest.empty()) break;
    const auto size =
        ::send(socket_.native_handle(), rest.data(), rest.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      if (own_deadline_ == SteadyTime::max()) {
        own_deadline_ = context_.clock.steady() + context_.options.deadlines.reply;
      }
      return Io::blocked;
    }
    if (size < 0) {
      written_ = session_->output().size();
      return Io::broken;
    }
    written_ += static_cast<std::size_t>(size);
    own_deadline_ = SteadyTime::max();
  }
  written_ = 0;
  session_->output_taken();
  return Io::progress;
}

SteadyTime ServerConnection::deadline() const {
  return own_deadline_ != SteadyTime::max() ? own_deadline_ : session_->deadline();
}

// A later deadline leaves the timer as it is: when it fires it sees that it is early.
void ServerConnection::keep_deadline(SteadyTime deadline) {
  if (deadline >= armed_until_ || deadline == SteadyTime::max()) return;
  armed_until_ = deadline;
  timer_.expires_at(deadline);
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    if (error) return;
    if (const auto self = weak.lock()) self->deadline_reached();
  });
}

void ServerConnection::deadline_reached() {
  armed_until_ = SteadyTime::max();
  if (context_.clock.steady() < deadline()) {
    keep_deadline(deadline());
    return;
  }
  expired_ = true;
  interrupt();
}

void ServerConnection::wake() {
  if (!waiter_) return;
  // Posted, since the shared buffer may be in use by the connection whose step led here. Posting an
  // any_completion_handler itself never ends in Boost 1.81: it wraps itself again and again.
  auto resume = [waiter = std::move(waiter_)]() mutable { std::move(waiter)(); };
  waiter_ = nullptr;
  asio::post(socket_.get_executor(), std::move(resume));
}

asio::awaitable<void> ServerConnection::progress() {
  const auto keep_handler = [this](auto handler) { waiter_ = std::move(handler); };
  co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(keep_handler,
                                                                       asio::use_awaitable);
}

// Closing a socket that holds unread bytes resets the connection, and the client may never see our
// last reply: so a client that did not say QUIT gets a moment to finish talking.
asio::awaitable<void> ServerConnection::see_off() {
  constexpr auto patience = std::chrono::seconds(5);
  constexpr std::size_t reads_max = 64;
  boost::system::error_code ignored;
  if (session_->ended_by_quit() || gone_) co_return;
  socket_.shutdown(tcp::socket::shutdown_send, ignored);
  own_deadline_ = context_.clock.steady() + patience;
  for (std::size_t i = 0; i < reads_max && !expired_; ++i) {
    const auto size = ::recv(socket_.native_handle(), context_.read_buffer.data(),
                             context_.read_buffer.size(), MSG_DONTWAIT);
    if (size > 0) continue;
    if (size == 0 || (errno != EAGAIN && errno != EINTR)) co_return;
    keep_deadline(deadline());
    co_await socket_.async_wait(tcp::socket::wait_read, token);
  }
}

void ServerConnection::drain() {
  draining_ = true;
  if (session_ == nullptr) return;
  session_->drain();
  interrupt();
}

void ServerConnection::abort() {
  if (session_ == nullptr) return drain();
  lost();
  interrupt();
}

void ServerConnection::lost() {
  gone_ = true;
  session_->connection_lost();
}

void ServerConnection::interrupt() {
  boost::system::error_code ignored;
  socket_.cancel(ignored);
  wake();
}

}  // namespace brevdue::smtp
