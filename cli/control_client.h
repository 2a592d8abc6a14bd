// Asks qmgr over the control socket and hands its answer on, frame by frame. Blocking; one request
// an object.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "core/error.h"
#include "core/unique_fd.h"
#include "ipc/control_frames.h"

namespace brevdue::cli {

class ControlClient {
 public:
  using OnFrame = std::function<Result<void>(ipc::ControlFrame type, std::string_view payload)>;

  // `unavailable` when nobody listens there: the daemon is down. `permission` when we may not ask.
  static Result<ControlClient> connect(const std::string& socket_path);

  // Calls `on_frame` for each entry, line and content frame; returns what `done` said.
  Result<ipc::ControlDone> ask(const ipc::ControlRequest& request, const OnFrame& on_frame);

 private:
  explicit ControlClient(UniqueFd socket) : socket_(std::move(socket)) {}
  Result<void> write(std::string_view bytes);
  Result<void> read(char* to, std::size_t size);

  UniqueFd socket_;
};

}  // namespace brevdue::cli
