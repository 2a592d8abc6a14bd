// How a dialog reaches a server: the pure session in this process, or a socket to a real one.
//
// The runner sends a group, then reads replies line by line. What only the pure session can do or
// show comes through control() and observed(); a transport without them returns null, and the
// runner then leaves those steps out (a dialog that needs control is not run at all).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tests/dialogs/fake_reception.h"

namespace brevdue::dialogs {

class ServerControl {
 public:
  virtual ~ServerControl() = default;
  // An error text if there is no such thing; "" if done.
  virtual std::string set(std::string_view option, std::string_view value) = 0;
  virtual std::string reception(std::string_view word, std::string_view argument) = 0;
  virtual void wait(std::chrono::seconds time) = 0;
  virtual void drain() = 0;
};

class Transport {
 public:
  virtual ~Transport() = default;
  virtual void send(std::string_view group) = 0;
  // The next reply line without CRLF; nothing if the server closed or says nothing more.
  virtual std::optional<std::string> read_line() = 0;
  // True if the server has closed the connection and all it said was read.
  virtual bool closed() = 0;
  virtual void lose() = 0;

  virtual ServerControl* control() { return nullptr; }
  virtual const FakeReception* observed() const { return nullptr; }
};

}  // namespace brevdue::dialogs
