#include "smtp/content_room.h"

#include <vector>

#include <gtest/gtest.h>

namespace brevdue::smtp {

TEST(ContentRoomTest, GivesBackWhatALeaseHeld) {
  ContentRoom room(100);
  {
    const auto lease = room.reserve(60);
    ASSERT_TRUE(lease.has_value());
    EXPECT_FALSE(room.reserve(60).has_value());
    EXPECT_EQ(room.used(), 60u);
  }
  EXPECT_EQ(room.used(), 0u);
}

TEST(ContentRoomTest, NobodyOvertakesWhoWaits) {
  ContentRoom room(100);
  auto first = room.reserve(60);
  std::vector<int> order;
  std::vector<RoomLease> held;
  room.wait(80, [&](RoomLease lease) {
    order.push_back(1);
    held.push_back(std::move(lease));
  });
  room.wait(10, [&](RoomLease lease) {
    order.push_back(2);
    held.push_back(std::move(lease));
  });
  EXPECT_FALSE(room.reserve(10).has_value());
  EXPECT_TRUE(order.empty());
  first.reset();
  EXPECT_EQ(order, (std::vector{1, 2}));
  EXPECT_EQ(room.used(), 90u);
}

TEST(ContentRoomTest, WithdrawalLetsTheNextIn) {
  ContentRoom room(100);
  const auto first = room.reserve(60);
  bool first_granted = false;
  bool second_granted = false;
  const auto waiter = room.wait(80, [&](RoomLease) { first_granted = true; });
  room.wait(10, [&](RoomLease) { second_granted = true; });
  room.withdraw(waiter);
  EXPECT_FALSE(first_granted);
  EXPECT_TRUE(second_granted);
  EXPECT_EQ(room.waiting(), 0u);
}

TEST(ContentRoomTest, AWishBeyondAllIsCutDown) {
  ContentRoom room(100);
  const auto lease = room.reserve(1000);
  ASSERT_TRUE(lease.has_value());
  EXPECT_EQ(lease->bytes(), 100u);
}

TEST(ContentRoomTest, LessCapacityTakesNothingBack) {
  ContentRoom room(100);
  auto lease = room.reserve(100);
  room.set_capacity(50);
  bool granted = false;
  room.wait(10, [&](RoomLease) { granted = true; });
  lease.reset();
  EXPECT_TRUE(granted);
}

}  // namespace brevdue::smtp
