// One connection of the load client: an SMTP client session on a non-blocking socket, which asks
// its run for messages, reports their outcomes, and connects again when the connection ends.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "bench/load/book_entries.h"
#include "bench/load/book_key.h"
#include "bench/load/content.h"
#include "bench/load/event_loop.h"
#include "bench/load/reply_parser.h"
#include "core/unique_fd.h"

namespace brevdue::load {

class LoadRun;

class LoadConnection final : public EventHandler {
 public:
  explicit LoadConnection(LoadRun& run) : run_(run) {}

  void connect();
  // The run has a message for a connection that was told to wait, or none any more.
  void wake();
  // Drops the connection if it has waited for an answer for longer than the options allow.
  void check_deadline(SteadyTime now);
  // Ends at once; a message under way is booked as unknown or unsent.
  void abandon();
  bool waiting() const { return state_ == State::waiting; }

  void on_events(std::uint32_t events) override;
  void on_timer() override;

 private:
  enum class State {
    pausing,
    connecting,
    greeting,
    ehlo,
    waiting,
    mail,
    rcpt,
    data,
    content,
    dot,
    swallow,
    rset,
    quit,
    ended
  };

  void read();
  void on_reply(const Reply& reply);
  void on_session_reply(const Reply& reply);
  void on_mail_reply(const Reply& reply);
  void on_rcpt_reply(const Reply& reply);
  void on_data_reply(const Reply& reply);
  void on_dot_reply(const Reply& reply);
  void take_next();
  void start_message(const BookKey& key);
  void append_rcpt(unsigned recipient);
  void fill_content();
  void flush();
  void command(std::string_view line, State next);
  void fail_message(std::string_view stage, const Reply& reply);
  void book(Outcome outcome);
  void after_failure();
  void drop(std::string_view reason, bool refused = false);
  void close();

  LoadRun& run_;
  UniqueFd fd_;
  State state_ = State::pausing;
  bool want_write_ = false;
  bool pipelining_ = false;
  bool size_offered_ = false;
  bool dot_queued_ = false;
  bool in_message_ = false;
  std::chrono::milliseconds pause_{50};
  std::uint64_t sent_on_connection_ = 0;
  SteadyTime asked_at_{};
  SteadyTime dot_at_{};
  ReplyParser parser_;
  std::string out_;
  std::size_t out_at_ = 0;
  std::string scratch_;
  BookKey key_;
  ClientEntry entry_;
  std::optional<Content> content_;
  std::uint64_t next_slot_ = 0;
  unsigned next_recipient_ = 0;
  Reply failure_;
};

}  // namespace brevdue::load
