// The log: one line an event in Postfix's form, each written with one write call, so that lines of
// several processes never mix in one file.
//
//   2026-11-24T08:00:00.123456+00:00 mx brevdue/smtpd[4242]: 0123…: client=unknown[192.0.2.1]
//
// The target is a descriptor that was opened by the master and handed down (a file opened with
// O_APPEND, or stderr), or syslog. Control characters in the text are written as '?', so that
// nothing a client sends can forge a line. Thread-safe. A line that cannot be written is lost: mail
// does not wait for the log.
#pragma once

#include <string>
#include <string_view>

#include "core/clock.h"

namespace brevdue {

struct LogOptions {
  std::string host = "localhost";
  std::string ident = "brevdue";
  std::string program = "master";  // smtpd, qmgr, smtp, bounce, master
  int fd = 2;
  bool syslog = false;
};

class Log {
 public:
  Log(LogOptions options, const Clock& clock);

  void info(std::string_view text) const { write(program_, "", text); }
  void warning(std::string_view text) const { write(program_, "warning: ", text); }
  void error(std::string_view text) const { write(program_, "error: ", text); }
  // A line under another program's name, as qmgr writes it for the bounces it makes.
  void as(std::string_view program, std::string_view text) const { write(program, "", text); }

 private:
  void write(std::string_view program, std::string_view level, std::string_view text) const;

  const Clock& clock_;
  std::string host_;
  std::string ident_;
  std::string program_;
  int fd_;
  bool syslog_;
  int pid_;
};

}  // namespace brevdue
