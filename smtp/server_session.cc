#include "smtp/server_session.h"

#include <algorithm>
#include <utility>

#include "mail/reply.h"
#include "smtp/address.h"
#include "smtp/extensions.h"
#include "smtp/received_header.h"

namespace brevdue::smtp {

ServerSession::ServerSession(const ServerOptions& options, Reception& reception, const Clock& clock,
                             const IpAddress& client, std::move_only_function<void()> progressed)
    : options_(options),
      reception_(reception),
      clock_(clock),
      client_(client),
      progressed_(std::move(progressed)),
      log_(reception, client.text()),
      transaction_(options, reception, log_, options.mynetworks.contains(client)) {
  log_.connected();
}

ServerSession::~ServerSession() {
  give_up_content();
  log_.disconnected();
}

void ServerSession::greet() {
  if (stage_ != Stage::unannounced) return;
  if (draining_) {
    reply("421 4.3.2 " + options_.hostname +
          " Service not available, closing transmission channel");
    finish();
    return;
  }
  reply("220 " + options_.hostname + " " + options_.banner);
  enter(Stage::command);
}

void ServerSession::output_taken() {
  output_.clear();
  turn_ends_at_.reset();
}

std::size_t ServerSession::receive(std::string_view bytes) {
  std::size_t taken = 0;
  while (taken < bytes.size()) {
    const std::string_view rest = bytes.substr(taken);
    if (stage_ == Stage::unannounced || stage_ == Stage::awaiting_room || turn_ends_at_) {
      improper_pipelining(rest);
      return bytes.size();
    }
    if (stage_ == Stage::finished) return bytes.size();
    if (waiting()) return taken;
    taken += stage_ == Stage::content ? take_content(rest) : take_line(rest);
  }
  return taken;
}

// RFC 5321 2.3.8: only CRLF ends a line. A bare CR or LF stays in it and makes it a bad one.
std::size_t ServerSession::take_line(std::string_view bytes) {
  const auto is_letter = [](char c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; };
  if (!any_command_ && line_.empty() && !is_letter(bytes.front()) && bytes.front() != '\r') {
    // TLS, or another protocol that need not ever send a CRLF.
    any_command_ = true;
    log_.foreign_command(bytes);
    reply("554 5.5.0 Error: this is an SMTP server");
    finish();
    return bytes.size();
  }
  std::size_t end = 0;
  bool complete = false;
  while (!complete) {
    end = bytes.find('\n', end);
    if (end == std::string_view::npos) break;
    complete = end > 0 ? bytes[end - 1] == '\r' : line_.ends_with('\r');
    ++end;
  }
  const std::size_t size = complete ? end : bytes.size();
  if (complete && line_.empty()) {
    if (size > extended_command_line_bytes_max) line_too_long_ = true;
    execute(bytes.substr(0, std::min(size, extended_command_line_bytes_max) - 2));
    return size;
  }
  if (line_.size() + size > extended_command_line_bytes_max) line_too_long_ = true;
  line_.append(
      bytes.substr(0, std::min(size, extended_command_line_bytes_max -
                                         std::min(extended_command_line_bytes_max, line_.size()))));
  // Of what is dropped only its last byte matters: CR may be half of the end.
  if (line_too_long_) line_.back() = bytes[size - 1];
  if (complete) {
    const std::string line = std::exchange(line_, {});
    execute(std::string_view(line).substr(0, line.size() - std::min<std::size_t>(line.size(), 2)));
  }
  return size;
}

std::size_t ServerSession::take_content(std::string_view bytes) {
  const std::size_t taken = content_->feed(bytes);
  if (content_->ended()) {
    end_of_data();
    return taken;
  }
  allow_for(taken);
  if (content_->waiting()) {
    chunk_awaited_since_ = clock_.steady();
    enter(Stage::awaiting_chunk);
  }
  return taken;
}

// What comes in buys time at the lowest rate that is put up with, and no more of it than a client
// may pause: one that was fast cannot be idle for long after it.
void ServerSession::allow_for(std::size_t bytes) {
  const ServerDeadlines& deadlines = options_.deadlines;
  const std::chrono::microseconds bought(
      bytes * 1'000'000 / std::max<std::uint64_t>(deadlines.content_bytes_per_second, 1));
  content_deadline_ = std::min(content_deadline_ + bought, clock_.steady() + deadlines.content);
  deadline_ = content_deadline_;
}

void ServerSession::execute(std::string_view line) {
  any_command_ = true;
  const Command command = parse_command(line);
  log_.reached(name_of(command.verb));
  if (command.verb == Verb::foreign) {
    log_.foreign_command(line);
    reply("554 5.5.0 Error: this is an SMTP server");
    finish();
    return;
  }
  const bool extended = command.verb == Verb::mail || command.verb == Verb::rcpt;
  const bool too_long = std::exchange(line_too_long_, false) ||
                        (!extended && line.size() + 2 > command_line_bytes_max);
  const bool broken = line.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos;
  const std::size_t reply_at = output_.size();
  const unsigned errors_before = errors_;
  if (too_long) {
    reply("500 5.5.2 Error: line too long");
  } else if (broken || line.empty()) {
    reply("500 5.5.2 Error: bad syntax");
  } else {
    dispatch(command);
    if (mail_deferred_ && (command.verb == Verb::rcpt || command.verb == Verb::data)) {
      errors_ = errors_before;
      ++junk_commands_;
    }
  }
  executed(command.verb, reply_at);
}

// What is the same after each command: counts, whose turn it is, limits.
void ServerSession::executed(Verb verb, std::size_t reply_at) {
  const bool positive = reply_at < output_.size() && output_[reply_at] < '4';
  // A DATA that was not refused is counted when its content is.
  if (verb != Verb::data || stage_ == Stage::command) log_.counted(verb, positive);
  if (verb == Verb::mail) mail_deferred_ = output_[reply_at] == '4';
  if (verb == Verb::helo || verb == Verb::ehlo || verb == Verb::data || verb == Verb::quit) {
    turn_ends_at_ = reply_at;
  }
  if (verb == Verb::quit && positive) {
    orderly_ = true;
    finish();
    return;
  }
  count_errors();
  if (stage_ != Stage::command) return;
  enter(Stage::command);
  if (draining_) drain();
}

std::string ServerSession::without_argument(const Command& command, std::string_view answer) const {
  if (command.argument.empty()) return std::string(answer);
  std::string syntax = "501 5.5.4 Syntax: ";
  return syntax.append(name_of(command.verb));
}

void ServerSession::dispatch(const Command& command) {
  switch (command.verb) {
    case Verb::helo:
    case Verb::ehlo:
      return greeted(command);
    case Verb::mail:
      if (helo_.empty()) return reply("503 5.5.1 Error: send HELO/EHLO first");
      return reply(transaction_.mail(command.argument));
    case Verb::rcpt: {
      const unsigned overshoot = transaction_.overshoot();
      reply(transaction_.rcpt(command.argument));
      if (transaction_.overshoot() > options_.recipient_overshoot_max &&
          transaction_.overshoot() > overshoot) {
        ++errors_;
      }
      return;
    }
    case Verb::data:
      return data(command);
    case Verb::rset:
      ++junk_commands_;
      if (command.argument.empty()) transaction_.reset();
      return reply(without_argument(command, "250 2.0.0 Ok"));
    case Verb::noop:
      ++junk_commands_;
      return reply("250 2.0.0 Ok");
    case Verb::vrfy:
      ++junk_commands_;
      if (command.argument.empty()) return reply("501 5.5.4 Syntax: VRFY address");
      return reply(
          "252 2.0.0 Cannot verify the address, but will take mail for it if it may relay");
    case Verb::help:
      ++junk_commands_;
      return reply("214 2.0.0 Commands: EHLO HELO MAIL RCPT DATA RSET NOOP VRFY HELP QUIT");
    case Verb::quit:
      return reply(without_argument(command, "221 2.0.0 Bye"));
    case Verb::expn:
    case Verb::unimplemented:
      return reply("502 5.5.1 Error: command not implemented");
    case Verb::unknown:
    case Verb::foreign:
      return reply("500 5.5.2 Error: command not recognized");
  }
}

// RFC 5321 4.1.4: EHLO and HELO also end a transaction that is open.
void ServerSession::greeted(const Command& command) {
  ++junk_commands_;
  const bool extended = command.verb == Verb::ehlo;
  const bool printable =
      std::ranges::all_of(command.argument, [](char c) { return c > ' ' && c <= '~'; });
  if (command.argument.empty() || !printable || command.argument.size() > domain_bytes_max) {
    return reply(extended ? "501 5.5.4 Syntax: EHLO hostname" : "501 5.5.4 Syntax: HELO hostname");
  }
  transaction_.reset();
  helo_ = command.argument;
  extended_ = extended;
  log_.greeted_by(helo_, extended);
  if (extended) {
    output_ += ehlo_reply(options_.hostname, options_.size_limit);
  } else {
    reply("250 " + options_.hostname);
  }
}

void ServerSession::data(const Command& command) {
  if (!command.argument.empty()) return reply("501 5.5.4 Syntax: DATA");
  if (const auto refusal = transaction_.refuse_data()) return reply(*refusal);
  ContentRoom& memory = reception_.room();
  if (auto room = memory.reserve(content_memory_max)) return begin_content(std::move(*room));
  enter(Stage::awaiting_room);
  room_waiter_ = memory.wait(content_memory_max, [weak = weak_from_this()](RoomLease room) {
    const auto self = weak.lock();
    if (self == nullptr || self->stage_ != Stage::awaiting_room) return;
    self->room_waiter_ = 0;
    self->begin_content(std::move(room));
    if (self->progressed_) self->progressed_();
  });
}

void ServerSession::begin_content(RoomLease room) {
  room_ = std::move(room);
  mail::Envelope& envelope = transaction_.envelope();
  envelope.arrival = clock_.wall();
  envelope.client_address = client_.text();
  envelope.client_helo = helo_;
  const std::string literal = client_.literal();
  const ReceivedHeader field{.helo = helo_,
                             .client_literal = literal,
                             .hostname = options_.hostname,
                             .protocol = envelope.smtputf8 ? "UTF8SMTP"
                                         : extended_       ? "ESMTP"
                                                           : "SMTP",
                             .id = envelope.id,
                             .recipient = envelope.recipients.size() == 1
                                              ? std::string_view(envelope.recipients[0].address)
                                              : "",
                             .arrival = envelope.arrival};
  content_.emplace(reception_, envelope.id, field.text(), transaction_.announced_size(),
                   options_.size_limit, [this] { return make_chunk_done(); });
  content_deadline_ = clock_.steady() + options_.deadlines.content;
  enter(Stage::content);
  turn_ends_at_ = output_.size();
  reply("354 End data with <CR><LF>.<CR><LF>");
}

Reception::Done ServerSession::make_chunk_done() {
  return [weak = weak_from_this()](Result<void> result) {
    if (const auto self = weak.lock()) self->chunk_taken(std::move(result));
  };
}

void ServerSession::chunk_taken(Result<void> result) {
  if (!content_) return;
  content_->chunk_taken(std::move(result));
  if (stage_ != Stage::awaiting_chunk) return;
  // The wait was ours, not the client's.
  content_deadline_ += clock_.steady() - chunk_awaited_since_;
  enter(Stage::content);
  if (progressed_) progressed_();
}

void ServerSession::end_of_data() {
  log_.reached("END-OF-MESSAGE");
  mail::Envelope& envelope = transaction_.envelope();
  if (const auto refusal = content_->refusal()) {
    content_->abandon();
    log_.rejected(*refusal, envelope, envelope.recipients[0].address);
    log_.counted(Verb::data, false);
    reply(*refusal);
    end_transaction();
    return;
  }
  log_.message_id(envelope.id, content_->message_id());
  enter(Stage::awaiting_submit);
  const mail::QueueId id = envelope.id;
  ContentReceiver content = std::move(*content_);
  content_.reset();
  // The room stays taken until the queue is done with the content, even if this session is not.
  content.finish(std::move(envelope), [weak = weak_from_this(), room = std::move(room_),
                                       id](Result<void> result) mutable {
    room.release();
    if (const auto self = weak.lock()) self->submitted(std::move(result), id);
  });
}

void ServerSession::submitted(Result<void> result, mail::QueueId id) {
  if (stage_ != Stage::awaiting_submit) return;
  log_.counted(Verb::data, result.has_value());
  if (result) {
    reply("250 2.0.0 Ok: queued as " + id.text());
    junk_commands_ = 0;
  } else {
    reply(mail::reply_for(result.error().code).line());
  }
  end_transaction();
  if (progressed_) progressed_();
}

void ServerSession::end_transaction() {
  content_.reset();
  room_.release();
  transaction_.reset();
  enter(Stage::command);
  count_errors();
  if (draining_ && stage_ == Stage::command) drain();
}

void ServerSession::give_up_content() {
  if (content_) content_->abandon();
  content_.reset();
  if (room_waiter_ != 0) reception_.room().withdraw(std::exchange(room_waiter_, 0));
  room_.release();
}

void ServerSession::reply(std::string_view line) {
  if (line.front() == '5') ++errors_;
  output_.append(line.substr(0, reply_line_bytes_max - 2)).append("\r\n");
}

void ServerSession::count_errors() {
  if (junk_commands_ > options_.junk_commands_max) {
    junk_commands_ = options_.junk_commands_max;
    ++errors_;
  }
  if (stage_ != Stage::command || errors_ < options_.errors_max) return;
  log_.too_many_errors();
  reply("421 4.7.0 " + options_.hostname + " Error: too many errors");
  finish();
}

void ServerSession::improper_pipelining(std::string_view bytes) {
  if (stage_ == Stage::unannounced) output_.clear();
  output_.resize(turn_ends_at_.value_or(output_.size()));
  turn_ends_at_.reset();
  log_.improper_pipelining(bytes);
  reply("554 5.5.0 Error: SMTP protocol synchronization");
  finish();
}

void ServerSession::timed_out() {
  if (stage_ == Stage::finished) return;
  if (stage_ == Stage::awaiting_room) {
    reception_.room().withdraw(std::exchange(room_waiter_, 0));
    const std::string refusal = mail::reply_for(ErrorCode::storage_full).line();
    log_.rejected(refusal, transaction_.envelope(), {});
    log_.counted(Verb::data, false);
    reply(refusal);
    enter(Stage::command);
    if (draining_) drain();
    return;
  }
  const std::uint64_t received = content_ ? content_->received() : 0;
  log_.timed_out(content_ ? &received : nullptr);
  reply("421 4.4.2 " + options_.hostname + " Error: timeout exceeded");
  finish();
}

void ServerSession::connection_lost() {
  if (stage_ == Stage::finished) return;
  const std::uint64_t received = content_ ? content_->received() : 0;
  log_.lost(content_ ? &received : nullptr);
  finish();
}

void ServerSession::drain() {
  draining_ = true;
  if (stage_ != Stage::command || transaction_.open()) return;
  reply("421 4.3.2 " + options_.hostname + " Service not available, closing transmission channel");
  finish();
}

void ServerSession::finish() {
  give_up_content();
  transaction_.reset();
  stage_ = Stage::finished;
  deadline_ = SteadyTime::max();
}

void ServerSession::enter(Stage stage) {
  stage_ = stage;
  switch (stage) {
    case Stage::command:
      deadline_ = clock_.steady() + options_.deadlines.command;
      break;
    case Stage::content:
      deadline_ = content_deadline_;
      break;
    case Stage::awaiting_room:
      deadline_ = clock_.steady() + options_.deadlines.room;
      break;
    default:
      deadline_ = SteadyTime::max();
      break;
  }
}

}  // namespace brevdue::smtp
