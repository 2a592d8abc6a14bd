// The sink: a listener and its connections on one event loop, their replies sent once a round,
// after the book.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "bench/load/event_loop.h"
#include "bench/load/sink_control.h"
#include "bench/load/sink_options.h"
#include "bench/load/sink_session.h"
#include "bench/load/socket_address.h"
#include "core/unique_fd.h"

namespace brevdue::load {

class SinkConnection;

class SinkServer final : private EventHandler {
 public:
  explicit SinkServer(SinkOptions options);
  ~SinkServer() override;

  Result<void> open();
  EventLoop& loop() { return loop_; }
  // The address that was bound; valid after open.
  SocketAddress address() const { return address_; }
  // Until its loop is stopped or the number of messages is reached.
  Result<void> run();
  const SinkCounters& counters() const { return shared_.counters; }

 private:
  friend class SinkConnection;

  void on_events(std::uint32_t events) override;
  void on_timer() override { accept_all(); }
  void accept_all();
  void mark_dirty(SinkConnection* connection);
  void forget(SinkConnection* connection);
  Result<void> end_of_round();

  SinkOptions options_;
  EventLoop loop_;
  SinkShared shared_;
  SocketAddress address_;
  UniqueFd listener_;
  std::unordered_map<SinkConnection*, std::unique_ptr<SinkConnection>> connections_;
  std::vector<SinkConnection*> dirty_;
  std::unique_ptr<char[]> buffer_;
  SinkControl control_;
};

}  // namespace brevdue::load
