// The commands of `brevdue`, one function each, called after the arguments were parsed. Each
// returns an exit code of sysexits.h and prints its own errors.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ipc/control_frames.h"

namespace brevdue::cli {

// The master, in the foreground.
int serve(const std::string& config_path);

struct ConfArguments {
  bool changed = false;
  bool defaults = false;
  bool docs = false;
  std::vector<std::string> keys;
};
int conf(const std::string& config_path, const ConfArguments& arguments);

// Config, accounts, permissions, listeners, spool: one problem a line; 0 if there is none, else 1.
int check(const std::string& config_path);

// Which messages a queue command is about.
struct QueueSelection {
  std::vector<std::string> ids;
  bool all = false;
  std::string destination;
  std::string reverse_path;
};
int queue_list(const std::string& config_path, bool json);
// How much is queued, and what qmgr has committed since it opened the queue: "NAME NUMBER" a line.
int queue_stats(const std::string& config_path);
// Reads and checks all that is queued. `rate` is a size, a second; empty: the default.
int queue_verify(const std::string& config_path, const std::string& rate);
int queue_show(const std::string& config_path, const QueueSelection& selection);
// `past` is what was done, for the last line: "held".
int queue_change(const std::string& config_path, ipc::ControlVerb verb, std::string_view past,
                 const QueueSelection& selection);

// The sides of a mirror; 0 if both have everything, else 1.
int queue_mirror_status(const std::string& config_path, bool json);
struct MirrorChange {
  std::string path;    // of the side; empty for resync
  bool wait = false;   // until it has everything
  bool force = false;  // attach: with Brevdue stopped, what this side has counts
};
int queue_mirror_change(const std::string& config_path, ipc::ControlVerb verb,
                        const MirrorChange& change);

// How mail for an address would leave, and why.
int route(const std::string& config_path, const std::string& address);

// The sendmail command line; `arguments` are those behind the command's name.
int sendmail(const std::vector<std::string>& arguments);

}  // namespace brevdue::cli
