// The log: one line an event in Postfix's form. Only whole lines are written, so that those of
// several processes never mix in one file.
//
//   2026-11-24T08:00:00.123456+00:00 mx brevdue/smtpd[4242]: 0123…: client=unknown[192.0.2.1]
//
// The target is a descriptor that was opened by the master and handed down (a file opened with
// O_APPEND, or stderr), or syslog. Control characters in the text are written as '?', so that
// nothing a client sends can forge a line. Thread-safe. A line that cannot be written is lost: mail
// does not wait for the log.
//
// A process with an event loop may collect the lines of one turn and write them with one call. What
// is collected when a process is killed is lost; warnings and errors are written at once, and what
// was collected before them.
#pragma once

#include <functional>
#include <memory>
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
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // From now on the calling thread's lines are collected; those of other threads are written at
  // once as before. `due` is called for the first line of each collection and must see to it that
  // the same thread calls flush() soon. Not for syslog, which takes single lines. Before there are
  // other threads; the two below are for the same one.
  void collect(std::function<void()> due);
  // What is collected is written, and all that follows at once.
  void stop_collecting();
  void flush() const;

  void info(std::string_view text) const { write(program_, "", text); }
  void warning(std::string_view text) const { write(program_, "warning: ", text); }
  void error(std::string_view text) const { write(program_, "error: ", text); }
  // A line under another program's name, as qmgr writes it for the bounces it makes.
  void as(std::string_view program, std::string_view text) const { write(program, "", text); }

 private:
  struct Collection;
  void write(std::string_view program, std::string_view level, std::string_view text) const;

  const Clock& clock_;
  std::string host_;
  std::string ident_;
  std::string program_;
  int fd_;
  bool syslog_;
  int pid_;
  std::unique_ptr<Collection> collection_;
};

}  // namespace brevdue
