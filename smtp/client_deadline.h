// The deadlines of a client (RFC 5321 4.5.3.2) and the one timer of a connection that enforces
// them by cancelling what its socket waits for.
//
// Moving the deadline costs a look at the clock: the timer itself is only touched when it fires too
// early or would fire too late. Loop thread only.
#pragma once

#include <chrono>
#include <memory>

#include <boost/asio/ip/tcp.hpp>

#include "smtp/client_session.h"

namespace brevdue::smtp {

struct ClientDeadlines {
  std::chrono::milliseconds connect = std::chrono::seconds(30);  // an address
  std::chrono::milliseconds greeting = std::chrono::minutes(5);
  std::chrono::milliseconds hello = std::chrono::minutes(5);
  std::chrono::milliseconds mail = std::chrono::minutes(5);
  std::chrono::milliseconds rcpt = std::chrono::minutes(5);
  std::chrono::milliseconds data = std::chrono::minutes(2);
  std::chrono::milliseconds content = std::chrono::minutes(3);  // a block of 64 KiB
  std::chrono::milliseconds end_of_data = std::chrono::minutes(10);
  std::chrono::milliseconds reset = std::chrono::seconds(20);
  std::chrono::milliseconds quit = std::chrono::seconds(5);

  std::chrono::milliseconds of(ClientPhase phase) const;
};

class ClientDeadline {
 public:
  // `socket` must outlive this.
  explicit ClientDeadline(boost::asio::ip::tcp::socket& socket);
  ~ClientDeadline();
  ClientDeadline(const ClientDeadline&) = delete;
  ClientDeadline& operator=(const ClientDeadline&) = delete;

  void arm(std::chrono::milliseconds limit);
  void disarm();
  // The deadline passed since it was last armed.
  bool expired() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace brevdue::smtp
