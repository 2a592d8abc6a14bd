// The client's side of an SMTP connection (RFC 5321) as a pure state machine: greeting, EHLO or
// HELO, one transaction after another, QUIT. It knows no socket and no clock; ClientConnection is
// the shell that runs it.
//
// The owner asks next() what to do, does it, reports it, and asks again. A transaction ends when
// next() says idle or closed; results() then has one result a recipient. Where PIPELINING is
// offered (RFC 2920), RSET if needed, MAIL, up to 100 RCPT and DATA leave as one group. After any
// protocol error, 421 or loss the session is closed and never used again.
//
// `undecided` recipients were neither accepted nor refused: another host may be tried for them at
// once. A connection lost after the content was sent is `deferred` instead: the next host would
// make a duplicate likely.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mail/envelope.h"
#include "smtp/client_capabilities.h"
#include "smtp/reply_parser.h"

namespace brevdue::smtp {

// What the client is at: it decides the deadline (RFC 5321 4.5.3.2) and the words of a failure.
enum class ClientPhase : std::uint8_t {
  greeting,
  ehlo,
  helo,
  rset,
  mail,
  rcpt,
  data,
  content,
  end_of_data,
  quit,
};

struct ClientOptions {
  std::string hostname;  // for EHLO
  std::string peer;      // "mx.example.org[192.0.2.1]", for the words of results
  // A server that calls itself by our name is ourselves: for next hops found by MX only.
  bool detect_loop = false;
};

// Both must outlive the transaction.
struct ClientTransaction {
  const mail::Envelope* envelope = nullptr;
  std::span<const std::uint32_t> recipients;  // indices into the envelope's, not empty
};

enum class ClientVerdict : std::uint8_t { undecided, relayed, deferred, failed };

struct ClientResult {
  ClientVerdict verdict = ClientVerdict::undecided;
  std::string enhanced;       // RFC 3463 code, never empty once there is a text
  std::string text;           // as Postfix words it, at most mail::reply_bytes_max
  bool remote_reply = false;  // the text quotes the server
};

class ClientSession {
 public:
  enum class Need : std::uint8_t { write, content, read, idle, closed };
  struct Step {
    Need need;
    ClientPhase phase;
  };

  explicit ClientSession(ClientOptions options);

  Step next() const;

  std::string_view output() const { return output_; }
  void written() {
    output_.clear();
    ++progress_;
  }
  void received(std::string_view bytes);
  // Content and final dot are written.
  void content_written();
  // The server stopped taking content; a reply of it may still be there to read.
  void content_interrupted();
  void lost() { fail_connection(Failure::lost, {}); }
  void timed_out() { fail_connection(Failure::timed_out, {}); }
  // Our side gave up, for every recipient not yet decided: next() is closed from then on.
  void abandon(ClientVerdict verdict, std::string_view enhanced, std::string_view text);

  // Grows with each thing done, not with each byte read: a server that sends its reply a byte at a
  // time gets no more time for it.
  std::uint64_t progress() const { return progress_; }

  // Only while next() says idle.
  void begin(const ClientTransaction& transaction);
  void quit();

  // One for each of the transaction's recipients, in their order.
  std::vector<ClientResult>& results() { return results_; }
  // Why the connection could not be used for the first transaction (refused, lost, timed out,
  // ourselves); the verdict is undecided, or failed for a loop.
  const std::optional<ClientResult>& refusal() const { return refusal_; }
  // The server closed a connection it had kept after an earlier transaction: nothing of this one
  // was answered, and a fresh connection to the same server is due.
  bool stale() const { return stale_; }
  // The connection broke or was taken away (421) during the last transaction.
  bool connection_failed() const { return connection_failed_; }
  // The server was given the DSN parameters: no success DSN of ours is due (RFC 3461 5.2.2).
  bool dsn_offered() const { return capabilities_.dsn; }
  unsigned transactions() const { return transactions_; }
  const ClientCapabilities& capabilities() const { return capabilities_; }

 private:
  enum class State : std::uint8_t {
    opening,
    idle,
    commands,
    content,
    interrupted,
    end_of_data,
    quitting,
    closed
  };
  enum class Failure : std::uint8_t { lost, timed_out, protocol };
  struct Awaited {
    ClientPhase phase;
    std::uint32_t recipient = 0;  // position in the transaction, for rcpt
  };

  void await(ClientPhase phase, std::uint32_t recipient = 0) {
    awaited_.push_back({phase, recipient});
  }
  ClientPhase phase() const;
  // Also between the reply to EHLO and begin(): what comes in then means there will be none.
  bool before_first_transaction() const {
    return state_ == State::opening || (state_ == State::idle && transactions_ == 0);
  }
  void hello(ClientPhase phase);
  bool refuse_unsendable();
  bool refuse_unsupported();
  void queue_commands();
  void queue_group();
  void queue_one();
  void send_mail();
  void send_next_recipient();
  void send_data();

  void take(const ServerReply& reply);
  void take_opening(ClientPhase phase, const ServerReply& reply);
  void dispatch(Awaited to, const ServerReply& reply);
  void take_rset(const ServerReply& reply);
  void take_mail(const ServerReply& reply);
  void take_rcpt(std::uint32_t recipient, const ServerReply& reply);
  void take_data(const ServerReply& reply);
  void take_early(const ServerReply& reply);
  void take_end_of_data(const ServerReply& reply);
  void take_421(ClientPhase phase, const ServerReply& reply);
  void fail_connection(Failure failure, std::string_view fault);
  void finish(bool reset_needed);
  void close();

  // Puts a result on every recipient that has no verdict yet.
  void settle(const ClientResult& how);
  ClientResult quote(const ServerReply& reply, ClientPhase phase) const;
  ClientResult refused(const ServerReply& reply) const;

  ClientOptions options_;
  ClientCapabilities capabilities_;
  ReplyParser parser_;
  State state_ = State::opening;
  std::string output_;
  std::uint64_t progress_ = 0;
  std::vector<Awaited> awaited_;
  std::size_t answered_ = 0;              // of awaited_
  std::optional<ClientPhase> answering_;  // whose reply is being looked at

  ClientTransaction transaction_;
  std::vector<ClientResult> results_;
  std::size_t accepted_count_ = 0;
  std::size_t next_recipient_ = 0;
  bool mail_sent_ = false;
  bool mail_accepted_ = false;
  bool answered_any_ = false;
  bool reset_needed_ = false;
  bool stale_ = false;
  bool connection_failed_ = false;
  unsigned transactions_ = 0;
  std::optional<ClientResult> refusal_;
};

}  // namespace brevdue::smtp
