// The other end of a disk's control channel, for tests and for the command line.
//
// One connection, used by one thread. `unavailable` when no disk answers; an answer that begins
// with "error" is returned like any other.
#pragma once

#include <string>
#include <string_view>

#include "core/error.h"
#include "core/unique_fd.h"

namespace brevdue::disk {

class ControlClient {
 public:
  static Result<ControlClient> connect(const std::string& path);
  // Sends one command and waits for its line, which is returned without its end.
  Result<std::string> request(std::string_view command);

 private:
  explicit ControlClient(UniqueFd fd) : fd_(std::move(fd)) {}

  UniqueFd fd_;
  std::string input_;
};

}  // namespace brevdue::disk
