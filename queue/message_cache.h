// The messages that are in memory: those somebody works with, and besides as many of the others as
// fit, the most recently used. All else is loaded from the store when it is wanted.
//
// Bounded in bytes, but for messages in use and for states too large to be written whole (a store
// may have to gather those from all over the disk). Loop thread only.
#pragma once

#include <cstddef>
#include <list>
#include <memory>

#include "mail/queue_id_map.h"
#include "queue/queued_message.h"

namespace brevdue::queue {

class MessageCache {
 public:
  explicit MessageCache(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  // Nothing if it is not here.
  std::shared_ptr<QueuedMessage> find(mail::QueueId id);
  void put(std::shared_ptr<QueuedMessage> message);
  bool has_room() const { return bytes_ < bytes_max_; }
  // Its state was changed.
  void resized(mail::QueueId id);
  void erase(mail::QueueId id);

  std::size_t bytes() const { return bytes_; }
  std::size_t size() const { return places_.size(); }

 private:
  struct Place {
    std::shared_ptr<QueuedMessage> message;
    std::size_t bytes;
  };
  using Turns = std::list<Place>;  // the least recently used first
  using Places = mail::QueueIdMap<Turns::iterator>;

  void make_room();
  void remove(Places::iterator at);

  std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  Turns turns_;
  Places places_;
};

// Whether a store may write this state whole in place of each change: it is short.
bool is_short(const mail::DeliveryState& state);

}  // namespace brevdue::queue
