#include "smtp/content_room.h"

#include <algorithm>

#include "core/error.h"

namespace brevdue::smtp {

void RoomLease::release() {
  ContentRoom* const room = std::exchange(room_, nullptr);
  const std::uint64_t bytes = std::exchange(bytes_, 0);
  if (room != nullptr) room->give_back(bytes);
}

bool ContentRoom::fits(std::uint64_t bytes) const {
  return used_ <= capacity_ && std::min(bytes, capacity_) <= capacity_ - used_;
}

std::optional<RoomLease> ContentRoom::reserve(std::uint64_t bytes) {
  if (capacity_ == 0 || !waiting_.empty() || !fits(bytes)) return std::nullopt;
  const std::uint64_t taken = std::min(bytes, capacity_);
  used_ += taken;
  return RoomLease(*this, taken);
}

ContentRoom::Waiter ContentRoom::wait(std::uint64_t bytes, Granted granted) {
  waiting_.push_back({++last_waiter_, bytes, std::move(granted)});
  return last_waiter_;
}

void ContentRoom::withdraw(Waiter waiter) {
  const auto at = std::ranges::find(waiting_, waiter, &Waiting::id);
  if (at == waiting_.end()) return;
  waiting_.erase(at);
  grant_waiting();
}

void ContentRoom::set_capacity(std::uint64_t capacity) {
  capacity_ = capacity;
  grant_waiting();
}

void ContentRoom::give_back(std::uint64_t bytes) {
  BREVDUE_ASSERT(bytes <= used_);
  used_ -= bytes;
  grant_waiting();
}

void ContentRoom::grant_waiting() {
  // What is granted may end at once and give its bytes back: the loop that runs already sees that.
  if (granting_) return;
  granting_ = true;
  while (capacity_ > 0 && !waiting_.empty() && fits(waiting_.front().bytes)) {
    Waiting first = std::move(waiting_.front());
    waiting_.pop_front();
    const std::uint64_t taken = std::min(first.bytes, capacity_);
    used_ += taken;
    first.granted(RoomLease(*this, taken));
  }
  granting_ = false;
}

}  // namespace brevdue::smtp
