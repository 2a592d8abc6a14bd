// What `brevdue queue verify` says, with Brevdue running or stopped: one line for each thing.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "mail/queue_id.h"
#include "queue/store.h"

namespace brevdue::queue {

// What is damaged, where, and what the operator can do.
std::string in_words(mail::QueueId id, const Damage& damage);
// For a message that its store does not find any more.
std::string missing_in_words(mail::QueueId id);

// A file of the spool that recovery or nobody needs.
struct Leftover {
  std::optional<mail::QueueId> id;  // of one in staged/: it is none if the message is queued
  std::string line;
};
// What lies in quarantine/, and what is older than `age` in staged/; in no order.
std::vector<Leftover> find_leftovers(const std::string& spool, std::chrono::seconds age);

}  // namespace brevdue::queue
