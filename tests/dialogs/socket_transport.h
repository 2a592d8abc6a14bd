// A dialog's way to a real server: a blocking TCP connection. It can neither set options nor see
// what was accepted.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/error.h"
#include "core/unique_fd.h"
#include "tests/dialogs/transport.h"

namespace brevdue::dialogs {

class SocketTransport final : public Transport {
 public:
  // `host` is an address. `patience` bounds each read: a server that says nothing for so long has
  // nothing to say.
  static Result<std::unique_ptr<SocketTransport>> connect(const std::string& host,
                                                          std::uint16_t port,
                                                          std::chrono::milliseconds patience);

  void send(std::string_view group) override;
  std::optional<std::string> read_line() override;
  bool closed() override;
  void lose() override { socket_.reset(); }

 private:
  explicit SocketTransport(UniqueFd socket) : socket_(std::move(socket)) {}
  bool read_more();

  UniqueFd socket_;
  std::string said_;
  bool at_end_ = false;
};

}  // namespace brevdue::dialogs
