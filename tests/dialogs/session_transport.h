// A dialog's way to the pure session: no socket, no loop, no time but that which the dialog sets.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "smtp/server_options.h"
#include "smtp/server_session.h"
#include "tests/dialogs/fake_reception.h"
#include "tests/dialogs/transport.h"

namespace brevdue::dialogs {

struct SessionModes {
  bool bytewise = false;  // each byte by itself, as if TCP had cut there
  bool deferred = false;  // the reception answers later
  // The connection is lost after so many bytes of the client; later ones go nowhere.
  std::optional<std::size_t> cut_after{};
};

class SessionTransport final : public Transport, public ServerControl {
 public:
  explicit SessionTransport(SessionModes modes);

  void send(std::string_view group) override;
  std::optional<std::string> read_line() override;
  bool closed() override;
  void lose() override;
  ServerControl* control() override { return this; }
  const FakeReception* observed() const override { return &reception_; }

  std::string set(std::string_view option, std::string_view value) override;
  std::string reception(std::string_view word, std::string_view argument) override;
  void wait(std::chrono::seconds time) override;
  void drain() override;

  FakeReception& reception() { return reception_; }
  std::size_t sent() const { return sent_; }

 private:
  smtp::ServerSession* session();
  void greet();
  void feed(std::string_view bytes);
  void settle();
  void take_output();

  const SessionModes modes_;
  ManualClock clock_;
  FakeReception reception_;
  smtp::ServerOptions options_;
  smtp::IpAddress client_;
  std::shared_ptr<smtp::ServerSession> session_;
  bool lost_ = false;
  bool greeted_ = false;
  std::string kept_;
  std::string said_;
  std::size_t sent_ = 0;
};

}  // namespace brevdue::dialogs
