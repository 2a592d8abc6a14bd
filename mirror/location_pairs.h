// Where the two sides keep a message, behind one Location. A Location names a place in the table
// and the message, so that one that outlived its message is told from the next in that place. 40
// bytes a message. Thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <vector>

#include "mail/queue_id.h"
#include "queue/store.h"

namespace brevdue::mirror {

class LocationPairs {
 public:
  // By side; nothing where that side does not have the message.
  using Pair = std::array<std::optional<queue::Location>, 2>;

  queue::Location add(mail::QueueId id, const Pair& pair);
  // Nothing if the message is gone.
  std::optional<Pair> find(mail::QueueId id, const queue::Location& location) const;
  // Does nothing if the message is gone.
  void set(mail::QueueId id, const queue::Location& location, const Pair& pair);
  void remove(mail::QueueId id, const queue::Location& location);
  std::size_t size() const;

  struct OneSided {
    mail::QueueId id;
    queue::Location location;
    std::size_t side;  // that has it
  };
  // Those that one side alone has, from row `cursor` on, which moves past the last that was looked
  // at; at most `count`. Looks at a bounded number of rows: there is more until is_end().
  std::vector<OneSided> one_sided(std::uint32_t& cursor, std::size_t count) const;
  bool is_end(std::uint32_t cursor) const;
  std::size_t count_without(std::size_t side) const;
  // Nothing is on that side any more.
  void forget_side(std::size_t side);

 private:
  struct Row {
    mail::QueueId id;
    std::array<queue::Location, 2> at;
    std::array<bool, 2> has{};
    bool used = false;
  };

  static std::uint32_t row_of(const queue::Location& location);
  static queue::Location location_of(std::uint32_t row, mail::QueueId id);
  void write(Row& row, const Pair& pair);
  bool holds(mail::QueueId id, const queue::Location& location) const;

  mutable std::mutex mutex_;
  std::deque<Row> rows_;
  std::vector<std::uint32_t> free_;
  std::array<std::size_t, 2> on_side_{};
};

}  // namespace brevdue::mirror
