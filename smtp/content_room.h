// Room for content that is on its way in: reserved before 354 is said, given back when the
// transaction ends, so that nobody is refused for want of room after the content was sent.
//
// First come, first served: while somebody waits nobody overtakes. A wish larger than the whole
// room is cut down to it, else it would wait for ever. Pure; one thread; bytes throughout. A
// RoomLease gives its bytes back when it is destroyed and must not outlive its ContentRoom.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <utility>

namespace brevdue::smtp {

class ContentRoom;

class RoomLease {
 public:
  RoomLease() = default;
  RoomLease(ContentRoom& room, std::uint64_t bytes) : room_(&room), bytes_(bytes) {}
  RoomLease(RoomLease&& other) noexcept
      : room_(std::exchange(other.room_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  RoomLease& operator=(RoomLease&& other) noexcept {
    if (this != &other) {
      release();
      room_ = std::exchange(other.room_, nullptr);
      bytes_ = std::exchange(other.bytes_, 0);
    }
    return *this;
  }
  ~RoomLease() { release(); }

  void release();
  std::uint64_t bytes() const { return bytes_; }

 private:
  ContentRoom* room_ = nullptr;
  std::uint64_t bytes_ = 0;
};

class ContentRoom {
 public:
  using Granted = std::move_only_function<void(RoomLease)>;
  using Waiter = std::uint64_t;  // 0 names nobody

  explicit ContentRoom(std::uint64_t capacity) : capacity_(capacity) {}

  // At once or not at all.
  std::optional<RoomLease> reserve(std::uint64_t bytes);
  // Calls `granted` once, from within a later release or set_capacity, unless withdrawn before.
  Waiter wait(std::uint64_t bytes, Granted granted);
  void withdraw(Waiter waiter);
  // A smaller capacity takes nothing back; it only grants less.
  void set_capacity(std::uint64_t capacity);

  std::uint64_t used() const { return used_; }
  std::size_t waiting() const { return waiting_.size(); }

 private:
  friend class RoomLease;
  struct Waiting {
    Waiter id;
    std::uint64_t bytes;
    Granted granted;
  };
  bool fits(std::uint64_t bytes) const;
  void give_back(std::uint64_t bytes);
  void grant_waiting();

  std::uint64_t capacity_;
  std::uint64_t used_ = 0;
  Waiter last_waiter_ = 0;
  bool granting_ = false;
  std::list<Waiting> waiting_;
};

}  // namespace brevdue::smtp
