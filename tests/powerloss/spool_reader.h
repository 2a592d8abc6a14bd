// What a stopped spool holds, found the way a start of Brevdue finds it, contents read and compared
// with what brevdue-load makes from their keys.
//
// With `read_only` false the recovery is the real one and may change the spool. The backend is
// whatever the config names. One reader a process: LMDB opens an environment once.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"
#include "core/error.h"
#include "mail/queue_id.h"

namespace brevdue::powerloss {

struct FoundMessage {
  mail::QueueId id;
  std::string key;      // of brevdue-load; empty for a message of another kind, such as a DSN
  std::string verdict;  // "whole", "altered", or why it cannot be read
  std::string reverse_path;
  std::vector<std::pair<std::string, std::string>> recipients;  // address and status

  bool operator==(const FoundMessage&) const = default;
};

struct SpoolContents {
  std::vector<FoundMessage> messages;  // in the order of their ids
  std::vector<std::string> damage;
};

Result<SpoolContents> read_spool(const config::Config& config, bool read_only);

}  // namespace brevdue::powerloss
