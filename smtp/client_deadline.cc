#include "smtp/client_deadline.h"

#include <boost/asio/steady_timer.hpp>

#include "core/error.h"

namespace brevdue::smtp {

namespace asio = boost::asio;
using Time = std::chrono::steady_clock::time_point;

std::chrono::milliseconds ClientDeadlines::of(ClientPhase phase) const {
  switch (phase) {
    case ClientPhase::greeting:
      return greeting;
    case ClientPhase::ehlo:
    case ClientPhase::helo:
      return hello;
    case ClientPhase::rset:
      return reset;
    case ClientPhase::mail:
      return mail;
    case ClientPhase::rcpt:
      return rcpt;
    case ClientPhase::data:
      return data;
    case ClientPhase::content:
      return content;
    case ClientPhase::end_of_data:
      return end_of_data;
    case ClientPhase::quit:
      break;
  }
  return quit;
}

struct ClientDeadline::State : std::enable_shared_from_this<State> {
  explicit State(asio::ip::tcp::socket& socket_in)
      : socket(&socket_in), timer(socket_in.get_executor()) {}

  void wait(Time until) {
    fires = until;
    timer.expires_at(until);
    timer.async_wait([self = shared_from_this()](boost::system::error_code stopped) {
      if (stopped || self->socket == nullptr) return;
      self->fires = Time::max();
      if (self->deadline == Time::max()) return;
      if (std::chrono::steady_clock::now() < self->deadline) return self->wait(self->deadline);
      self->expired = true;
      boost::system::error_code ignored;
      self->socket->cancel(ignored);
    });
  }

  asio::ip::tcp::socket* socket;
  asio::steady_timer timer;
  Time deadline = Time::max();
  Time fires = Time::max();  // max: the timer is not running
  bool expired = false;
};

ClientDeadline::ClientDeadline(asio::ip::tcp::socket& socket)
    : state_(std::make_shared<State>(socket)) {}

ClientDeadline::~ClientDeadline() {
  state_->socket = nullptr;
  state_->timer.cancel();
}

void ClientDeadline::arm(std::chrono::milliseconds limit) {
  state_->expired = false;
  state_->deadline = std::chrono::steady_clock::now() + limit;
  if (state_->deadline < state_->fires) state_->wait(state_->deadline);
}

void ClientDeadline::disarm() {
  state_->deadline = Time::max();
}

bool ClientDeadline::expired() const {
  return state_->expired;
}

}  // namespace brevdue::smtp
