// An SMTP server session (RFC 5321) as a pure state machine: bytes of the client in, replies out,
// messages to the Reception.
//
// The owner (ServerConnection, or a test) greets, gives what it reads to receive(), writes what
// output() holds and says so with output_taken() before it reads again, and closes the connection
// once finished() and all output is written. While waiting() the session takes no bytes: it waits
// for the Reception, and calls `progressed` when that is over (never within a call of the owner's,
// unless the Reception answers at once). At deadline() the owner calls timed_out().
//
// The client may not speak while a reply is owed to it that it must have read first: before the
// greeting, and after EHLO, HELO, DATA and QUIT until output_taken() (RFC 2920 3.1). Such a client
// gets 554 and is cut off, since its next bytes could be content or commands.
//
// One thread. Created by make_shared: callbacks at the Reception hold it weakly, so that it may be
// destroyed at any time; room and staged content are given back then.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/clock.h"
#include "smtp/command_parser.h"
#include "smtp/content_receiver.h"
#include "smtp/content_room.h"
#include "smtp/networks.h"
#include "smtp/reception.h"
#include "smtp/server_options.h"
#include "smtp/server_transaction.h"
#include "smtp/session_log.h"

namespace brevdue::smtp {

class ServerSession : public std::enable_shared_from_this<ServerSession> {
 public:
  // The references outlive the session.
  ServerSession(const ServerOptions& options, Reception& reception, const Clock& clock,
                const IpAddress& client, std::move_only_function<void()> progressed);
  ~ServerSession();
  ServerSession(const ServerSession&) = delete;
  ServerSession& operator=(const ServerSession&) = delete;

  void greet();
  // Returns how many bytes were taken: all, unless the session is waiting() by then.
  std::size_t receive(std::string_view bytes);

  std::string_view output() const { return output_; }
  void output_taken();

  // What the client sends now, before it has a reply, cuts it off.
  bool client_must_be_silent() const { return turn_ends_at_.has_value(); }
  bool waiting() const { return stage_ >= Stage::awaiting_room && stage_ != Stage::finished; }
  bool finished() const { return stage_ == Stage::finished; }
  // The client said QUIT and waits for nothing more.
  bool ended_by_quit() const { return orderly_; }
  // When timed_out() is to be called; SteadyTime::max() while only the queue is waited for.
  SteadyTime deadline() const { return deadline_; }

  void timed_out();
  void connection_lost();
  // The process stops: a session between transactions ends now, any other after its transaction.
  void drain();

 private:
  // Those from awaiting_room on take no input.
  enum class Stage : std::uint8_t {
    unannounced,
    command,
    content,
    awaiting_room,
    awaiting_chunk,
    awaiting_submit,
    finished,
  };

  std::size_t take_line(std::string_view bytes);
  std::size_t take_content(std::string_view bytes);
  void allow_for(std::size_t bytes);
  void execute(std::string_view line);
  void dispatch(const Command& command);
  void executed(Verb verb, std::size_t reply_at);
  void greeted(const Command& command);
  void data(const Command& command);
  void begin_content(RoomLease room);
  void end_of_data();
  void submitted(Result<void> result, mail::QueueId id);
  void chunk_taken(Result<void> result);
  void end_transaction();

  void reply(std::string_view line);
  void count_errors();
  void improper_pipelining(std::string_view bytes);
  void finish();
  void give_up_content();
  void enter(Stage stage);
  std::string without_argument(const Command& command, std::string_view answer) const;
  Reception::Done make_chunk_done();

  const ServerOptions& options_;
  Reception& reception_;
  const Clock& clock_;
  const IpAddress client_;
  std::move_only_function<void()> progressed_;
  SessionLog log_;
  ServerTransaction transaction_;
  std::optional<ContentReceiver> content_;
  RoomLease room_;
  ContentRoom::Waiter room_waiter_ = 0;

  Stage stage_ = Stage::unannounced;
  SteadyTime deadline_ = SteadyTime::max();
  SteadyTime content_deadline_{};
  SteadyTime chunk_awaited_since_{};
  std::string line_;  // the start of a command line that is not complete yet
  bool line_too_long_ = false;
  std::string output_;
  // Set while the client must stay silent: where in the output the owed reply begins.
  std::optional<std::size_t> turn_ends_at_;
  std::string helo_;
  bool extended_ = false;
  bool any_command_ = false;
  bool draining_ = false;
  bool orderly_ = false;
  // MAIL got 4yz: what was pipelined behind it is refused for no fault of the client.
  bool mail_deferred_ = false;
  unsigned errors_ = 0;
  unsigned junk_commands_ = 0;
};

}  // namespace brevdue::smtp
