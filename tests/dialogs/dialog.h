// One scripted SMTP conversation, read from a text file; README.md describes the format.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"

namespace brevdue::dialogs {

enum class StepKind {
  set,        // word: an option, text: its value; before anything else
  reception,  // word: what the queue does from here on
  send,       // text: bytes of the client; consecutive ones are one group
  expect,     // text: pattern of one reply line
  pause,      // ends a group without a reply
  closed,     // the server has closed
  open,       // the server has not
  wait,       // text: seconds that pass
  lost,       // the client vanishes
  drain,      // the server is told to stop
  messages,   // text: how many were accepted so far
  message,    // number, word: which property, text: pattern of its value
  log,        // text: pattern of a line that was logged
  no_log,     // text: pattern that no line has
};

struct Step {
  StepKind kind;
  std::size_t line = 0;
  std::string word{};
  std::string text{};
  std::size_t number = 0;
};

struct Dialog {
  std::string name;
  std::vector<Step> steps;

  // True if it asks for settings, faults, time or a drain: things that a client cannot bring about.
  bool needs_control() const;
};

Result<Dialog> parse_dialog(std::string_view name, std::string_view text);
// All *.dialog files of a folder, by name.
Result<std::vector<Dialog>> read_dialogs(const std::string& folder);

// "*" stands for any number of any bytes.
bool matches(std::string_view pattern, std::string_view text);
// \r \n \t \0 \\ and \xHH become bytes; nothing if there is another escape.
Result<std::string> unescape(std::string_view text);
std::string escape(std::string_view bytes);

}  // namespace brevdue::dialogs
