#include "daemon/master_frames.h"

#include <gtest/gtest.h>

namespace brevdue::tests {
namespace {

using daemon::Attach;
using daemon::Role;

TEST(MasterFrames, AnAttachComesBackAsItWas) {
  for (const Role role : {Role::smtpd, Role::qmgr, Role::delivery}) {
    const auto back = daemon::decode_attach(encode(Attach{role, 4095, 0x12345678}));
    ASSERT_TRUE(back);
    EXPECT_EQ(back->peer, role);
    EXPECT_EQ(back->slot, 4095);
    EXPECT_EQ(back->pid, 0x12345678u);
  }
}

TEST(MasterFrames, WhatIsNoAttachIsRefused) {
  const std::string whole = encode(Attach{Role::delivery, 1, 2});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(daemon::decode_attach(whole.substr(0, size)).error().code, ErrorCode::protocol);
  }
  EXPECT_FALSE(daemon::decode_attach(whole + "x"));
  std::string unknown = whole;
  unknown[0] = 3;
  EXPECT_FALSE(daemon::decode_attach(unknown));
}

}  // namespace
}  // namespace brevdue::tests
