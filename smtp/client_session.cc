#include "smtp/client_session.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "core/error.h"
#include "mail/settlement.h"
#include "smtp/client_commands.h"

namespace brevdue::smtp {

namespace {

constexpr std::size_t group_recipients_max = 100;

// Postfix's words, which log tools know.
std::string_view doing(ClientPhase phase) {
  switch (phase) {
    case ClientPhase::greeting:
      return "receiving the initial server greeting";
    case ClientPhase::ehlo:
      return "performing the EHLO handshake";
    case ClientPhase::helo:
      return "performing the HELO handshake";
    case ClientPhase::rset:
      return "sending RSET";
    case ClientPhase::mail:
      return "sending MAIL FROM";
    case ClientPhase::rcpt:
      return "sending RCPT TO";
    case ClientPhase::data:
      return "sending DATA command";
    case ClientPhase::content:
      return "sending message body";
    case ClientPhase::end_of_data:
      return "sending end of data -- message may be sent more than once";
    case ClientPhase::quit:
      break;
  }
  return "sending QUIT command";
}

std::string_view command_of(ClientPhase phase) {
  switch (phase) {
    case ClientPhase::rset:
      return "RSET command";
    case ClientPhase::mail:
      return "MAIL FROM command";
    case ClientPhase::rcpt:
      return "RCPT TO command";
    case ClientPhase::data:
      return "DATA command";
    case ClientPhase::content:
      return "message body";
    case ClientPhase::greeting:
    case ClientPhase::ehlo:
    case ClientPhase::helo:
    case ClientPhase::end_of_data:
    case ClientPhase::quit:
      break;
  }
  return "end of DATA command";
}

std::string cut(std::string text) {
  if (text.size() > mail::reply_bytes_max) text.resize(mail::reply_bytes_max);
  return text;
}

std::string enhanced_of(const ServerReply& reply) {
  if (!reply.enhanced.empty()) return reply.enhanced;
  return fmt::format("{}.0.0", reply.code / 100);
}

bool same_name(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace

ClientSession::ClientSession(ClientOptions options) : options_(std::move(options)) {
  await(ClientPhase::greeting);
}

ClientPhase ClientSession::phase() const {
  if (answering_) return *answering_;
  if (answered_ < awaited_.size()) return awaited_[answered_].phase;
  return ClientPhase::content;
}

ClientSession::Step ClientSession::next() const {
  if (state_ == State::closed) return {Need::closed, phase()};
  if (!output_.empty()) return {Need::write, phase()};
  if (state_ == State::idle) return {Need::idle, phase()};
  if (state_ == State::content) return {Need::content, ClientPhase::content};
  return {Need::read, phase()};
}

void ClientSession::begin(const ClientTransaction& transaction) {
  BREVDUE_ASSERT(state_ == State::idle && !transaction.recipients.empty());
  transaction_ = transaction;
  results_.assign(transaction.recipients.size(), ClientResult{});
  accepted_count_ = 0;
  next_recipient_ = 0;
  mail_sent_ = false;
  mail_accepted_ = false;
  answered_any_ = false;
  stale_ = false;
  connection_failed_ = false;
  if (refuse_unsupported() || refuse_unsendable()) return;
  state_ = State::commands;
  queue_commands();
}

// RFC 6152 3, RFC 6531 3.2 and RFC 1870 6.1: what this server cannot take is not sent to it. 8-bit
// content is not converted: that would break signatures and is nobody's wish any more.
bool ClientSession::refuse_unsupported() {
  const mail::Envelope& envelope = *transaction_.envelope;
  const auto fail_all = [this](std::string_view enhanced, std::string text) {
    settle({ClientVerdict::failed, std::string(enhanced), cut(std::move(text)), false});
    return true;
  };
  if (capabilities_.size_limit > 0 && envelope.content.size > capabilities_.size_limit) {
    return fail_all("5.3.4",
                    fmt::format("message size {} exceeds size limit {} of server {}",
                                envelope.content.size, capabilities_.size_limit, options_.peer));
  }
  if (!capabilities_.smtputf8 && needs_smtputf8(envelope)) {
    return fail_all("5.6.7", fmt::format("SMTPUTF8 is required, but was not offered by host {}",
                                         options_.peer));
  }
  if (!capabilities_.eight_bit_mime && envelope.content.eight_bit) {
    return fail_all("5.6.1", fmt::format("8BITMIME is required, but was not offered by host {}",
                                         options_.peer));
  }
  return false;
}

bool ClientSession::refuse_unsendable() {
  const mail::Envelope& envelope = *transaction_.envelope;
  if (!sendable(envelope.reverse_path)) {
    settle({ClientVerdict::failed, "5.1.7", "bad reverse-path syntax", false});
    return true;
  }
  bool any_left = false;
  for (std::size_t i = 0; i < results_.size(); ++i) {
    BREVDUE_ASSERT(transaction_.recipients[i] < envelope.recipients.size());
    const std::string& address = envelope.recipients[transaction_.recipients[i]].address;
    if (!address.empty() && sendable(address)) {
      any_left = true;
    } else {
      results_[i] = {ClientVerdict::failed, "5.1.3", "bad recipient address syntax", false};
    }
  }
  return !any_left;
}

void ClientSession::hello(ClientPhase phase) {
  output_.append(phase == ClientPhase::ehlo ? "EHLO " : "HELO ")
      .append(options_.hostname)
      .append("\r\n");
  await(phase);
}

void ClientSession::send_mail() {
  append_mail(output_, *transaction_.envelope, capabilities_);
  await(ClientPhase::mail);
  mail_sent_ = true;
}

void ClientSession::send_next_recipient() {
  const auto position = next_recipient_++;
  if (results_[position].verdict != ClientVerdict::undecided) return;
  const std::uint32_t index = transaction_.recipients[position];
  append_rcpt(output_, transaction_.envelope->recipients[index], capabilities_);
  await(ClientPhase::rcpt, static_cast<std::uint32_t>(position));
}

void ClientSession::send_data() {
  output_.append("DATA\r\n");
  await(ClientPhase::data);
}

// Called when all that was sent has been answered.
void ClientSession::queue_commands() {
  if (mail_sent_ && !mail_accepted_) return finish(false);
  if (capabilities_.pipelining) {
    queue_group();
  } else {
    queue_one();
  }
}

void ClientSession::queue_group() {
  if (reset_needed_) {
    output_.append("RSET\r\n");
    await(ClientPhase::rset);
    reset_needed_ = false;
  }
  if (!mail_sent_) send_mail();
  for (std::size_t i = 0; i < group_recipients_max && next_recipient_ < results_.size(); ++i) {
    send_next_recipient();
  }
  // DATA ends a group (RFC 2920 3.1).
  if (next_recipient_ == results_.size()) send_data();
}

void ClientSession::queue_one() {
  if (reset_needed_) {
    output_.append("RSET\r\n");
    await(ClientPhase::rset);
    reset_needed_ = false;
    return;
  }
  if (!mail_sent_) return send_mail();
  while (next_recipient_ < results_.size()) {
    send_next_recipient();
    if (!awaited_.empty()) return;
  }
  if (accepted_count_ == 0) return finish(true);
  send_data();
}

void ClientSession::received(std::string_view bytes) {
  while (!bytes.empty() && state_ != State::closed) {
    const ReplyParser::Progress progress = parser_.feed(bytes);
    if (progress.status == ReplyParser::Status::broken) {
      return fail_connection(Failure::protocol, parser_.fault());
    }
    if (progress.status == ReplyParser::Status::incomplete) return;
    bytes.remove_prefix(progress.consumed);
    take(parser_.reply());
  }
}

void ClientSession::take(const ServerReply& reply) {
  // Whoever answers before he was asked would have every reply after it taken for another's.
  if (!output_.empty() && reply.code != 421) {
    return fail_connection(Failure::protocol, "a reply to a command that was not sent yet");
  }
  if (answered_ == awaited_.size() && state_ != State::interrupted) {
    if (reply.code == 421) return take_421(ClientPhase::content, reply);
    return fail_connection(Failure::protocol, "a reply to no command");
  }
  const Awaited to = state_ == State::interrupted && answered_ == awaited_.size()
                         ? Awaited{ClientPhase::content}
                         : awaited_[answered_];
  answered_any_ = true;
  ++progress_;
  if (reply.code == 421) return take_421(to.phase, reply);
  if (++answered_ >= awaited_.size()) {
    awaited_.clear();
    answered_ = 0;
  }
  answering_ = to.phase;
  dispatch(to, reply);
  answering_.reset();
  if (state_ == State::commands && awaited_.empty()) queue_commands();
}

void ClientSession::dispatch(Awaited to, const ServerReply& reply) {
  switch (to.phase) {
    case ClientPhase::greeting:
    case ClientPhase::ehlo:
    case ClientPhase::helo:
      return take_opening(to.phase, reply);
    case ClientPhase::rset:
      return take_rset(reply);
    case ClientPhase::mail:
      return take_mail(reply);
    case ClientPhase::rcpt:
      return take_rcpt(to.recipient, reply);
    case ClientPhase::data:
      return take_data(reply);
    case ClientPhase::content:
      return take_early(reply);
    case ClientPhase::end_of_data:
      return take_end_of_data(reply);
    case ClientPhase::quit:
      return close();
  }
}

void ClientSession::take_rset(const ServerReply& reply) {
  if (reply.positive()) return;
  // A server that cannot forget a transaction is of no use for the next one.
  settle(quote(reply, ClientPhase::rset));
  stale_ = true;
  close();
}

void ClientSession::take_opening(ClientPhase phase, const ServerReply& reply) {
  if (phase == ClientPhase::greeting && reply.code == 220) return hello(ClientPhase::ehlo);
  if (phase == ClientPhase::ehlo && reply.permanent()) return hello(ClientPhase::helo);
  if (phase == ClientPhase::greeting || !reply.positive()) {
    refusal_ = refused(reply);
    return close();
  }
  const std::string_view lines = reply.lines;
  const std::string_view name = lines.substr(0, lines.find_first_of(" \n"));
  if (options_.detect_loop && same_name(name, options_.hostname)) {
    refusal_ = ClientResult{
        ClientVerdict::failed, "5.4.6",
        cut(fmt::format("host {} greeted me with my own name {}", options_.peer, name)), false};
    return close();
  }
  if (phase == ClientPhase::ehlo) capabilities_ = parse_capabilities(reply.lines);
  state_ = State::idle;
}

void ClientSession::take_mail(const ServerReply& reply) {
  if (reply.intermediate()) return fail_connection(Failure::protocol, "3xx in reply to MAIL");
  mail_accepted_ = reply.positive();
  if (!mail_accepted_) settle(quote(reply, ClientPhase::mail));
}

void ClientSession::take_rcpt(std::uint32_t recipient, const ServerReply& reply) {
  if (reply.intermediate()) return fail_connection(Failure::protocol, "3xx in reply to RCPT");
  // What follows a refused MAIL says nothing about the recipient.
  if (!mail_accepted_) return;
  if (reply.positive()) {
    ++accepted_count_;
    return;
  }
  ClientResult& result = results_[recipient];
  result = quote(reply, ClientPhase::rcpt);
  // RFC 5321 4.5.3.1.10: 552 for RCPT means "too many recipients", which is temporary.
  if (reply.transient() || reply.code == 552) result.verdict = ClientVerdict::deferred;
  if (reply.code == 552) result.enhanced = "4.5.3";
}

void ClientSession::take_data(const ServerReply& reply) {
  if (reply.positive()) return fail_connection(Failure::protocol, "2xx in reply to DATA");
  if (!reply.intermediate()) {
    if (mail_accepted_) settle(quote(reply, ClientPhase::data));
    return finish(mail_accepted_);
  }
  if (mail_accepted_ && accepted_count_ > 0) {
    state_ = State::content;
    return;
  }
  // RFC 2920 3.1: the server wants content though no recipient stands; a lone dot ends it.
  output_.append(".\r\n");
  await(ClientPhase::end_of_data);
}

void ClientSession::take_early(const ServerReply& reply) {
  if (reply.positive() || reply.intermediate()) {
    return fail_connection(Failure::protocol, "a reply before the end of data");
  }
  settle(quote(reply, ClientPhase::end_of_data));
  close();
}

void ClientSession::take_end_of_data(const ServerReply& reply) {
  if (reply.intermediate()) return fail_connection(Failure::protocol, "3xx after the data");
  // The answer to a lone dot is about nobody: whoever has no verdict yet was never accepted.
  if (state_ != State::end_of_data) return finish(reply.permanent());
  ClientResult result = quote(reply, ClientPhase::end_of_data);
  if (reply.positive()) {
    result.verdict = ClientVerdict::relayed;
    result.text = reply.text;
  } else if (reply.transient()) {
    result.verdict = ClientVerdict::deferred;
  }
  settle(result);
  finish(false);
}

void ClientSession::take_421(ClientPhase phase, const ServerReply& reply) {
  if (before_first_transaction()) {
    refusal_ = refused(reply);
    return close();
  }
  if (state_ == State::commands || state_ == State::content || state_ == State::interrupted ||
      state_ == State::end_of_data) {
    ClientResult result = quote(reply, phase);
    if (phase == ClientPhase::end_of_data) result.verdict = ClientVerdict::deferred;
    connection_failed_ = true;
    stale_ = transactions_ > 0 && (phase == ClientPhase::rset || phase == ClientPhase::mail);
    settle(result);
  }
  close();
}

void ClientSession::content_written() {
  BREVDUE_ASSERT(state_ == State::content);
  state_ = State::end_of_data;
  ++progress_;
  await(ClientPhase::end_of_data);
}

void ClientSession::content_interrupted() {
  if (state_ == State::content) state_ = State::interrupted;
  ++progress_;
}

void ClientSession::abandon(ClientVerdict verdict, std::string_view enhanced,
                            std::string_view text) {
  settle({verdict, std::string(enhanced), cut(std::string(text)), false});
  close();
}

void ClientSession::quit() {
  BREVDUE_ASSERT(state_ == State::idle);
  output_.append("QUIT\r\n");
  await(ClientPhase::quit);
  state_ = State::quitting;
}

void ClientSession::fail_connection(Failure failure, std::string_view fault) {
  if (state_ == State::closed) return;
  const ClientPhase at = state_ == State::idle ? ClientPhase::ehlo : phase();
  ClientResult result;
  result.enhanced = failure == Failure::protocol ? "4.5.0" : "4.4.2";
  result.text =
      failure == Failure::lost
          ? fmt::format("lost connection with {} while {}", options_.peer, doing(at))
      : failure == Failure::timed_out
          ? fmt::format("conversation with {} timed out while {}", options_.peer, doing(at))
          : fmt::format("protocol error by {} while {}: {}", options_.peer, doing(at), fault);
  result.text = cut(std::move(result.text));
  if (at == ClientPhase::end_of_data) result.verdict = ClientVerdict::deferred;
  if (before_first_transaction()) {
    refusal_ = std::move(result);
  } else if (state_ != State::idle && state_ != State::quitting) {
    connection_failed_ = true;
    stale_ = failure == Failure::lost && transactions_ > 0 && !answered_any_;
    settle(result);
  }
  close();
}

void ClientSession::finish(bool reset_needed) {
  reset_needed_ = reset_needed;
  ++transactions_;
  state_ = State::idle;
}

void ClientSession::close() {
  state_ = State::closed;
  output_.clear();
}

void ClientSession::settle(const ClientResult& how) {
  for (ClientResult& result : results_) {
    if (result.verdict == ClientVerdict::undecided) result = how;
  }
}

// The verdict is `failed` for a permanent reply, else undecided. The server's words are cut so that
// the command they answer stays readable.
ClientResult ClientSession::quote(const ServerReply& reply, ClientPhase phase) const {
  const std::string before = fmt::format("host {} said: ", options_.peer);
  const std::string after = fmt::format(" (in reply to {})", command_of(phase));
  const std::size_t taken = std::min(before.size() + after.size(), mail::reply_bytes_max);
  const std::string_view text =
      std::string_view(reply.text).substr(0, mail::reply_bytes_max - taken);
  return {reply.permanent() ? ClientVerdict::failed : ClientVerdict::undecided, enhanced_of(reply),
          cut(fmt::format("{}{}{}", before, text, after)), true};
}

// A 5xx greeting does not condemn the message: another exchange, or the same one later, may be
// willing. Postfix does the same (smtp_skip_5xx_greeting).
ClientResult ClientSession::refused(const ServerReply& reply) const {
  std::string enhanced = enhanced_of(reply);
  enhanced[0] = '4';
  return {ClientVerdict::undecided, std::move(enhanced),
          cut(fmt::format("host {} refused to talk to me: {}", options_.peer, reply.text)), true};
}

}  // namespace brevdue::smtp
