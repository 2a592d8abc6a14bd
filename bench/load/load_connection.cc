#include "bench/load/load_connection.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "bench/load/dot_codec.h"
#include "bench/load/load_run.h"

namespace brevdue::load {

namespace {

constexpr std::chrono::milliseconds longest_pause{1000};
constexpr std::chrono::seconds quit_patience{5};
constexpr std::size_t content_ahead = 65536;

std::string queue_id_of(std::string_view text) {
  constexpr std::string_view mark = "queued as ";
  const std::size_t at = text.find(mark);
  if (at == std::string_view::npos) return {};
  std::string_view id = text.substr(at + mark.size());
  id = id.substr(0, id.find_first_of(" \t\r\n,"));
  return std::string(id);
}

Outcome outcome_of(int code) {
  return code < 500 ? Outcome::tempfail : Outcome::permfail;
}

}  // namespace

void LoadConnection::connect() {
  auto fd = run_.server().connect();
  if (!fd) {
    drop(describe(fd.error()), true);
    return;
  }
  fd_ = std::move(*fd);
  state_ = State::connecting;
  asked_at_ = std::chrono::steady_clock::now();
  want_write_ = true;
  if (auto added = run_.loop().add(fd_.get(), EPOLLIN | EPOLLOUT, this); !added) {
    drop(describe(added.error()), true);
  }
}

void LoadConnection::on_timer() {
  connect();
}

void LoadConnection::wake() {
  if (state_ == State::waiting) take_next();
  if (state_ == State::pausing && run_.ending()) {
    run_.loop().cancel_timer(this);
    state_ = State::ended;
    run_.connection_ended();
  }
}

void LoadConnection::check_deadline(SteadyTime now) {
  if (!fd_ || state_ == State::waiting) return;
  const std::chrono::seconds patience = state_ == State::quit
                                            ? std::min(quit_patience, run_.options().timeout)
                                            : run_.options().timeout;
  if (now - asked_at_ > patience) drop("no answer in time", state_ <= State::ehlo);
}

void LoadConnection::abandon() {
  if (state_ == State::ended) return;
  run_.loop().cancel_timer(this);
  if (fd_) {
    drop("stopped");
  } else {
    wake();
  }
}

void LoadConnection::on_events(std::uint32_t events) {
  if (!fd_) return;
  if (state_ == State::connecting) {
    int failure = 0;
    socklen_t size = sizeof failure;
    if (::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &failure, &size) != 0) failure = errno;
    if (failure != 0) {
      drop(describe(fail_os(failure, "cannot connect").error()), true);
      return;
    }
    state_ = State::greeting;
    flush();
  } else if ((events & EPOLLOUT) != 0) {
    flush();
  }
  if (fd_ && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) read();
}

void LoadConnection::read() {
  std::array<char, 4096> buffer;
  const ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {
    const bool early = state_ <= State::ehlo;
    drop(got == 0 ? "the server closed the connection"
                  : describe(fail_os(errno, "connection lost").error()),
         early);
    return;
  }
  parser_.feed({buffer.data(), static_cast<std::size_t>(got)});
  Reply reply;
  while (fd_) {
    const auto status = parser_.next(reply);
    if (status == ReplyParser::Status::incomplete) return;
    if (status == ReplyParser::Status::broken) {
      drop(std::string(parser_.fault()), state_ <= State::ehlo);
      return;
    }
    run_.note_answer();
    on_reply(reply);
  }
}

void LoadConnection::on_reply(const Reply& reply) {
  asked_at_ = std::chrono::steady_clock::now();
  switch (state_) {
    case State::mail:
      on_mail_reply(reply);
      break;
    case State::rcpt:
      on_rcpt_reply(reply);
      break;
    case State::data:
      on_data_reply(reply);
      break;
    case State::dot:
      on_dot_reply(reply);
      break;
    case State::content:
      // An answer before the end of the data: what it answers is decided, the rest need not be
      // sent.
      fail_message("content", reply);
      book(outcome_of(failure_.code));
      drop("answered in the middle of the content");
      break;
    default:
      on_session_reply(reply);
  }
}

void LoadConnection::on_session_reply(const Reply& reply) {
  const bool good = reply.code < 300;
  switch (state_) {
    case State::greeting:
      if (!good) return drop(fmt::format("greeted with {}", reply.code), true);
      return command(fmt::format("EHLO {}\r\n", run_.options().helo), State::ehlo);
    case State::ehlo:
      if (!good) return drop(fmt::format("EHLO answered with {}", reply.code), true);
      pipelining_ =
          run_.options().pipelining && reply.text.find("\nPIPELINING") != std::string::npos;
      size_offered_ = reply.text.find("\nSIZE") != std::string::npos;
      ++run_.report().connected;
      pause_ = std::chrono::milliseconds{50};
      sent_on_connection_ = 0;
      return take_next();
    case State::swallow:
      return after_failure();
    case State::rset:
      if (!good) return drop(fmt::format("RSET answered with {}", reply.code));
      return take_next();
    case State::quit:
      return drop("");
    default:
      return drop(fmt::format("{} without a question", reply.code));
  }
}

void LoadConnection::on_mail_reply(const Reply& reply) {
  if (reply.code >= 300) fail_message("mail", reply);
  if (reply.code == 421) return after_failure();
  if (pipelining_) {
    state_ = State::rcpt;
  } else if (failure_.code != 0) {
    after_failure();
  } else {
    append_rcpt(0);
    state_ = State::rcpt;
    flush();
  }
}

void LoadConnection::on_rcpt_reply(const Reply& reply) {
  auto& list = reply.code < 300 ? entry_.recipients : entry_.refused;
  list.push_back(expand_recipient(run_.options().recipient, key_.sequence, next_recipient_++,
                                  run_.options().domain_count));
  const bool all = next_recipient_ == run_.options().recipients;
  if (reply.code == 421 || (all && entry_.recipients.empty())) fail_message("rcpt", reply);
  if (reply.code == 421) return after_failure();
  if (pipelining_) {
    if (all) state_ = State::data;
  } else if (!all) {
    append_rcpt(next_recipient_);
    flush();
  } else if (failure_.code != 0) {
    after_failure();
  } else {
    command("DATA\r\n", State::data);
  }
}

void LoadConnection::on_data_reply(const Reply& reply) {
  if (reply.code != 354) {
    fail_message("data", reply);
    return after_failure();
  }
  if (failure_.code != 0) {
    // RFC 2920 3.1: a server may say 354 to a pipelined DATA though no recipient is left.
    return command(".\r\n", State::swallow);
  }
  state_ = State::content;
  append_stuffed(out_, content_->header());
  fill_content();
  flush();
}

void LoadConnection::on_dot_reply(const Reply& reply) {
  const auto latency = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::steady_clock::now() - dot_at_);
  ++sent_on_connection_;
  entry_.stage = "dot";
  entry_.code = reply.code;
  in_message_ = false;
  entry_.time = std::chrono::duration_cast<std::chrono::microseconds>(
                    std::chrono::system_clock::now().time_since_epoch())
                    .count();
  if (reply.code < 300) {
    entry_.outcome = Outcome::accepted;
    entry_.queue_id = queue_id_of(reply.text);
    run_.record(entry_, latency);
  } else {
    entry_.outcome = outcome_of(reply.code);
    run_.record(entry_, std::nullopt);
  }
  if (reply.code == 421) return drop("421 to the final dot");
  take_next();
}

void LoadConnection::take_next() {
  const auto& options = run_.options();
  if (options.messages_per_connection > 0 &&
      sent_on_connection_ >= options.messages_per_connection) {
    return command("QUIT\r\n", State::quit);
  }
  BookKey key;
  switch (run_.ask(this, key)) {
    case LoadRun::Permit::granted:
      return start_message(key);
    case LoadRun::Permit::wait:
      state_ = State::waiting;
      return;
    case LoadRun::Permit::finished:
      return command("QUIT\r\n", State::quit);
  }
}

void LoadConnection::start_message(const BookKey& key) {
  key_ = key;
  content_.emplace(key);
  next_slot_ = 0;
  next_recipient_ = 0;
  dot_queued_ = false;
  in_message_ = true;
  failure_ = Reply{};
  entry_.key = to_text(key);
  entry_.size = key.size;
  entry_.crc = content_->crc();
  entry_.stage.clear();
  entry_.code = 0;
  entry_.queue_id.clear();
  entry_.recipients.clear();
  entry_.refused.clear();
  out_ += "MAIL FROM:<";
  out_ += expand_recipient(run_.options().from, key_.sequence, 0, run_.options().domain_count);
  out_.push_back('>');
  if (size_offered_) fmt::format_to(std::back_inserter(out_), " SIZE={}", key.size);
  out_ += "\r\n";
  if (pipelining_) {
    for (unsigned i = 0; i < run_.options().recipients; ++i) append_rcpt(i);
    out_ += "DATA\r\n";
  }
  state_ = State::mail;
  asked_at_ = std::chrono::steady_clock::now();
  flush();
}

void LoadConnection::append_rcpt(unsigned recipient) {
  out_ += "RCPT TO:<";
  out_ += expand_recipient(run_.options().recipient, key_.sequence, recipient,
                           run_.options().domain_count);
  out_ += ">\r\n";
}

void LoadConnection::fill_content() {
  while (next_slot_ < content_->slots() && out_.size() - out_at_ < content_ahead) {
    scratch_.clear();
    for (unsigned i = 0; i < 64 && next_slot_ < content_->slots(); ++i) {
      content_->append_slot(scratch_, next_slot_++);
    }
    append_stuffed(out_, scratch_);
  }
  if (next_slot_ == content_->slots() && !dot_queued_) {
    out_ += ".\r\n";
    dot_queued_ = true;
  }
}

void LoadConnection::flush() {
  bool blocked = false;
  while (!blocked) {
    if (out_at_ == out_.size()) {
      out_.clear();
      out_at_ = 0;
      if (state_ == State::content) {
        if (dot_queued_) {
          state_ = State::dot;
        } else {
          fill_content();
        }
      }
      if (out_.empty()) break;
    }
    // The clock starts before the call that may hand the final dot over: the answer can be there
    // before the call returns.
    if (dot_queued_ && state_ == State::content) {
      dot_at_ = asked_at_ = std::chrono::steady_clock::now();
    }
    const ssize_t sent =
        ::send(fd_.get(), out_.data() + out_at_, out_.size() - out_at_, MSG_NOSIGNAL);
    if (sent >= 0) {
      out_at_ += static_cast<std::size_t>(sent);
    } else if (errno == EAGAIN) {
      blocked = true;
    } else if (errno != EINTR) {
      // What the server said before it went away is still to be read; reading ends the connection.
      out_at_ = 0;
      out_.clear();
      if (state_ == State::content) dot_queued_ = false;
      ::shutdown(fd_.get(), SHUT_WR);
      return;
    }
  }
  if (blocked == want_write_) return;
  want_write_ = blocked;
  const std::uint32_t events = blocked ? EPOLLIN | EPOLLOUT : EPOLLIN;
  if (auto changed = run_.loop().modify(fd_.get(), events, this); !changed) {
    drop(describe(changed.error()));
  }
}

void LoadConnection::command(std::string_view line, State next) {
  out_ += line;
  state_ = next;
  asked_at_ = std::chrono::steady_clock::now();
  flush();
}

// The first refusal of a message is the one that counts.
void LoadConnection::fail_message(std::string_view stage, const Reply& reply) {
  if (failure_.code != 0) return;
  failure_.code = reply.code >= 400 ? reply.code : 500;
  entry_.stage = stage;
  entry_.code = reply.code;
}

void LoadConnection::after_failure() {
  if (in_message_) book(outcome_of(failure_.code));
  if (failure_.code == 421) return drop("421");
  command("RSET\r\n", State::rset);
}

void LoadConnection::book(Outcome outcome) {
  in_message_ = false;
  entry_.outcome = outcome;
  entry_.time = std::chrono::duration_cast<std::chrono::microseconds>(
                    std::chrono::system_clock::now().time_since_epoch())
                    .count();
  run_.record(entry_, std::nullopt);
}

void LoadConnection::drop(std::string_view reason, bool refused) {
  const State was = state_;
  close();
  if (refused) {
    ++run_.report().refused_connections;
  } else if (was != State::quit) {
    ++run_.report().lost_connections;
  }
  if (!reason.empty()) run_.report().last_fault = reason;
  state_ = State::pausing;
  if (in_message_) {
    if (was == State::dot) {
      entry_.stage = "dot";
      book(Outcome::unknown);
    } else {
      book(failure_.code != 0 ? outcome_of(failure_.code) : Outcome::unsent);
    }
  }
  if (run_.ending()) {
    state_ = State::ended;
    run_.connection_ended();
  } else if (was == State::quit) {
    run_.loop().set_timer(this, std::chrono::steady_clock::now());
  } else {
    run_.loop().set_timer(this, std::chrono::steady_clock::now() + pause_);
    pause_ = std::min(pause_ * 2, longest_pause);
  }
}

void LoadConnection::close() {
  fd_.reset();
  parser_.reset();
  out_.clear();
  out_at_ = 0;
  want_write_ = false;
}

}  // namespace brevdue::load
