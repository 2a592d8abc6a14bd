// The sink's control socket: a Unix stream socket with a line protocol, for scripts.
//
//   stats         one JSON object with the counts
//   faults on|off shows the faults or not from now on; answers "ok"
//   quit          answers "ok" and ends the sink
// Anything else is answered "error: ...". Lines end with LF.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "bench/load/event_loop.h"
#include "bench/load/sink_session.h"
#include "core/unique_fd.h"

namespace brevdue::load {

class ControlConnection;

class SinkControl final : public EventHandler {
 public:
  SinkControl(EventLoop& loop, SinkShared& shared);
  ~SinkControl() override;

  // An empty path opens nothing. A socket that an earlier sink left is replaced.
  Result<void> open(const std::string& path);
  void on_events(std::uint32_t events) override;

  std::string answer(std::string_view command);

 private:
  friend class ControlConnection;

  EventLoop& loop_;
  SinkShared& shared_;
  UniqueFd listener_;
  std::string path_;
  std::unordered_map<ControlConnection*, std::unique_ptr<ControlConnection>> connections_;
};

}  // namespace brevdue::load
