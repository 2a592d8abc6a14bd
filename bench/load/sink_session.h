// One SMTP server session of the sink: bytes in, bytes out, no socket.
//
// Strict about line ends: only CRLF ends a command, only CRLF "." CRLF the content. What it accepts
// goes into the book before its 250 is in out(); the owner flushes the book first, then out().
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bench/load/book_file.h"
#include "bench/load/content_verifier.h"
#include "bench/load/dot_codec.h"
#include "bench/load/sink_faults.h"
#include "bench/load/sink_options.h"

namespace brevdue::load {

struct SinkCounters {
  std::uint64_t connections = 0;
  std::uint64_t messages = 0;
  std::uint64_t recipients = 0;
  std::uint64_t altered = 0;
  std::uint64_t foreign = 0;
  std::uint64_t bytes = 0;   // of content, as received and without dot-stuffing
  std::uint64_t faults = 0;  // that were shown on purpose
};

std::string to_json(const SinkCounters& counters);

// What all sessions of a sink share; outlives them.
struct SinkShared {
  const SinkOptions& options;
  FaultPlan faults;
  BookFile book;
  SinkCounters counters;
  std::uint64_t last_id = 0;
};

// From MAIL to the end of the content.
struct SinkTransaction {
  std::vector<std::string> recipients;
  DotDecoder decoder;
  ContentVerifier verifier;
  std::uint64_t size = 0;
};

class SinkSession {
 public:
  // What the owner does once out() is sent.
  enum class Ending { none, close, reset, stall };

  explicit SinkSession(SinkShared& shared) : shared_(shared) {}

  void greet();
  void feed(std::string_view in);

  std::string& out() { return out_; }
  Ending ending() const { return ending_; }
  // To be sent again and again once out() is sent; empty unless the session lies without end.
  const std::string& endless() const { return endless_; }

 private:
  std::size_t feed_lines(std::string_view in);
  std::size_t feed_content(std::string_view in);
  void on_command(std::string_view line);
  void on_ehlo(bool extended);
  void on_mail(std::string_view arguments);
  void on_rcpt(std::string_view arguments);
  void on_data();
  void on_dot();
  void keep(bool answered);
  // True if a fault took the reply's place.
  bool faulty(Stage stage);
  void tell_lie(Lie lie);
  void reply(int code, std::string_view enhanced, std::string_view text);

  SinkShared& shared_;
  std::string pending_;
  std::string out_;
  std::string endless_;
  Ending ending_ = Ending::none;
  bool in_content_ = false;
  bool body_struck_ = false;
  std::optional<SinkTransaction> transaction_;
  std::vector<std::string> named_recipient_;
  std::uint64_t accepted_ = 0;
};

}  // namespace brevdue::load
