// Hash tables by queue id that hold their elements in place: no allocation for each, but what they
// hold moves when they grow. Where elements must stay, std::unordered_map is the one to use.
#pragma once

#include <functional>

#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>

#include "mail/queue_id.h"

namespace brevdue::mail {

template <class Value>
using QueueIdMap = boost::unordered_flat_map<QueueId, Value, std::hash<QueueId>>;
using QueueIdSet = boost::unordered_flat_set<QueueId, std::hash<QueueId>>;

}  // namespace brevdue::mail
