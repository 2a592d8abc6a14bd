#include "tests/dialogs/session_transport.h"

#include <charconv>

#include <fmt/format.h>

namespace brevdue::dialogs {

SessionTransport::SessionTransport(SessionModes modes)
    : modes_(modes), reception_(clock_, modes.deferred) {
  options_.hostname = "mx.example.org";
  options_.mynetworks = *smtp::Networks::parse({"127.0.0.0/8", "::1", "2001:db8:1::/48"});
  client_ = *smtp::IpAddress::parse("127.0.0.1");
}

smtp::ServerSession* SessionTransport::session() {
  if (!session_ && !lost_) {
    session_ = std::make_shared<smtp::ServerSession>(options_, reception_, clock_, client_, [] {});
  }
  return session_.get();
}

// As the shell does: the greeting comes once the client had its chance to talk too early.
void SessionTransport::greet() {
  if (greeted_ || session() == nullptr) return;
  greeted_ = true;
  session_->greet();
  take_output();
}

void SessionTransport::send(std::string_view group) {
  if (session() == nullptr) return;
  if (modes_.bytewise || modes_.cut_after) {
    for (const char byte : group) feed({&byte, 1});
  } else {
    feed(group);
  }
  settle();
  take_output();
}

void SessionTransport::feed(std::string_view bytes) {
  if (session_ == nullptr) return;
  if (modes_.cut_after && sent_ >= *modes_.cut_after) return lose();
  sent_ += bytes.size();
  reception_.came_in(bytes.size());
  if (!kept_.empty()) {
    kept_ += bytes;
    settle();
    return;
  }
  const std::size_t taken = session_->receive(bytes);
  kept_ += bytes.substr(taken);
  if (!kept_.empty()) settle();
}

void SessionTransport::settle() {
  while (session_ != nullptr) {
    reception_.answer();
    if (kept_.empty() || session_->waiting()) return;
    kept_.erase(0, session_->receive(kept_));
  }
}

void SessionTransport::take_output() {
  if (session_ == nullptr) return;
  said_ += session_->output();
  session_->output_taken();
}

std::optional<std::string> SessionTransport::read_line() {
  greet();
  const auto end = said_.find("\r\n");
  if (end == std::string::npos) return std::nullopt;
  std::string line = said_.substr(0, end);
  said_.erase(0, end + 2);
  return line;
}

bool SessionTransport::closed() {
  return said_.empty() && (session_ == nullptr || session_->finished());
}

void SessionTransport::lose() {
  if (session_ == nullptr) return;
  session_->connection_lost();
  session_.reset();
  lost_ = true;
  reception_.answer();
}

void SessionTransport::wait(std::chrono::seconds time) {
  greet();
  if (session_ == nullptr) return;
  clock_.advance(time);
  if (session_->deadline() <= clock_.steady()) session_->timed_out();
  settle();
  take_output();
}

void SessionTransport::drain() {
  if (session() == nullptr) return;
  session_->drain();
  take_output();
}

std::string SessionTransport::set(std::string_view option, std::string_view value) {
  if (option == "client") {
    const auto address = smtp::IpAddress::parse(value);
    if (!address) return "not an address";
    client_ = *address;
    return {};
  }
  std::uint64_t number = 0;
  std::from_chars(value.data(), value.data() + value.size(), number);
  if (option == "size_limit") {
    options_.size_limit = number;
  } else if (option == "recipients_max") {
    options_.recipients_max = number;
  } else if (option == "recipient_overshoot_max") {
    options_.recipient_overshoot_max = static_cast<unsigned>(number);
  } else if (option == "errors_max") {
    options_.errors_max = static_cast<unsigned>(number);
  } else if (option == "junk_commands_max") {
    options_.junk_commands_max = static_cast<unsigned>(number);
  } else {
    return fmt::format("no option \"{}\"", option);
  }
  return {};
}

static std::optional<ErrorCode> error_named(std::string_view word) {
  if (word == "unavailable") return ErrorCode::unavailable;
  if (word == "storage_full") return ErrorCode::storage_full;
  if (word == "io_failure") return ErrorCode::io_failure;
  return std::nullopt;
}

std::string SessionTransport::reception(std::string_view word, std::string_view argument) {
  const auto error = error_named(argument);
  if (word == "availability") {
    reception_.fail_availability(error);
  } else if (word == "submit") {
    reception_.fail_submit(error);
  } else if (word == "append") {
    reception_.fail_append(error);
  } else if (word == "room") {
    std::uint64_t bytes = 0;
    std::from_chars(argument.data(), argument.data() + argument.size(), bytes);
    reception_.room().set_capacity(bytes);
    settle();
    take_output();
  } else {
    return fmt::format("no fault \"{}\"", word);
  }
  return {};
}

}  // namespace brevdue::dialogs
