// One run of the load client: the connections, the messages still to send, the book, the figures.
//
// Single-threaded; `stop` may be called from the loop's handlers only. Connections ask for messages
// and report what became of them; nothing is sent twice under one key.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "bench/load/book_entries.h"
#include "bench/load/book_file.h"
#include "bench/load/book_key.h"
#include "bench/load/event_loop.h"
#include "bench/load/latency_histogram.h"
#include "bench/load/load_options.h"
#include "bench/load/socket_address.h"

namespace brevdue::load {

class LoadConnection;

struct LoadReport {
  std::uint64_t accepted = 0;
  std::uint64_t tempfail = 0;
  std::uint64_t permfail = 0;
  std::uint64_t unknown = 0;
  std::uint64_t unsent = 0;
  std::uint64_t bytes = 0;       // of accepted content
  std::uint64_t recipients = 0;  // accepted ones of accepted messages
  std::uint64_t connected = 0;
  std::uint64_t refused_connections = 0;  // no connection, or no 2xx to it or to EHLO
  std::uint64_t lost_connections = 0;
  std::string last_fault;
  double seconds = 0;  // from the first connect to the last answer
  bool gave_up = false;
  LatencyHistogram latency;  // from the final dot to its 250

  std::uint64_t messages() const { return accepted + tempfail + permfail + unknown + unsent; }
  double rate() const { return seconds > 0 ? static_cast<double>(accepted) / seconds : 0; }
};

std::string to_json(const LoadReport& report);
std::string to_text(const LoadReport& report);

class LoadRun final : private EventHandler {
 public:
  explicit LoadRun(LoadOptions options);
  ~LoadRun() override;

  Result<void> open();
  EventLoop& loop() { return loop_; }
  // Until all is sent, the time is over, or stop; the book is complete when this returns.
  Result<LoadReport> execute();
  // Lets answers under way come in for five seconds; a second call does not wait.
  void stop();

  // For the connections.
  const LoadOptions& options() const { return options_; }
  const SocketAddress& server() const { return server_; }
  enum class Permit { granted, wait, finished };
  Permit ask(LoadConnection* connection, BookKey& key);
  void record(const ClientEntry& entry, std::optional<std::chrono::microseconds> latency);
  void note_answer() { last_answer_ = std::chrono::steady_clock::now(); }
  LoadReport& report() { return report_; }
  // No message will be handed out any more.
  bool ending() const { return stopped_ || (out_of_messages() && !may_come_back()); }
  void connection_ended();

 private:
  void on_events(std::uint32_t) override {}
  void on_timer() override;
  bool out_of_messages() const;
  bool may_come_back() const { return options_.retry && in_flight_ > 0; }
  Result<void> end_of_round();
  void wake_waiting();
  void sweep(SteadyTime now);
  void abandon_all();
  void arm_timer(SteadyTime now);
  void print_progress();
  SteadyTime due_of(std::uint64_t number) const;

  LoadOptions options_;
  EventLoop loop_;
  SocketAddress server_;
  BookFile book_;
  LoadReport report_;
  std::vector<std::unique_ptr<LoadConnection>> connections_;
  std::deque<LoadConnection*> waiting_;
  std::size_t ended_ = 0;
  std::uint64_t run_;
  std::uint32_t sequence_ = 0;
  std::uint64_t given_back_ = 0;
  std::uint64_t in_flight_ = 0;
  bool stopped_ = false;
  bool end_announced_ = false;
  std::mt19937_64 random_;
  SteadyTime start_;
  SteadyTime last_answer_;
  SteadyTime last_result_;
  SteadyTime cut_at_;
  SteadyTime next_sweep_;
  std::uint64_t printed_accepted_ = 0;
};

}  // namespace brevdue::load
