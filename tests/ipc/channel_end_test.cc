// How channels end: the peer goes, an error, or their owner destroys them, anywhere.
#include <cerrno>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/ipc/channel_rig.h"

namespace brevdue::tests {

namespace {
using testing::ElementsAre;
using testing::IsEmpty;

TEST(ChannelEnd, ThePeerClosesAfterItsLastFrame) {
  ChannelRig rig;
  rig.here.start();
  rig.write(on_wire(1, "last"));
  rig.peer.reset();
  rig.run();
  EXPECT_THAT(rig.here.frames, ElementsAre(Frame{1, "last", {}}));
  ASSERT_TRUE(rig.here.closed.has_value());
  EXPECT_EQ(rig.here.closed->code, ErrorCode::unavailable);
  EXPECT_EQ(rig.here.closed->context, "channel closed by its peer");
  EXPECT_FALSE(rig.here.channel->is_open());
}

TEST(ChannelEnd, ThePeerClosesInTheMiddleOfAFrame) {
  const std::string bytes = on_wire(1, "frame");
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    ChannelRig rig;
    rig.here.start();
    if (cut > 0) rig.write(bytes.substr(0, cut));
    rig.peer.reset();
    rig.run();
    EXPECT_THAT(rig.here.frames, IsEmpty());
    ASSERT_TRUE(rig.here.closed.has_value()) << cut;
    EXPECT_EQ(rig.here.closed->code, ErrorCode::unavailable);
  }
}

TEST(ChannelEnd, SendingToAPeerThatIsGoneCloses) {
  ChannelRig rig;
  rig.peer.reset();
  rig.here.start();
  rig.here.channel->send(1, "into nothing");
  EXPECT_TRUE(rig.here.channel->is_open());  // never from within send
  rig.run();
  ASSERT_TRUE(rig.here.closed.has_value());
  EXPECT_EQ(rig.here.closed->code, ErrorCode::unavailable);
}

TEST(ChannelEnd, AClosedOneTakesNothing) {
  ChannelRig rig;
  rig.here.start();
  rig.peer.reset();
  rig.run();
  const std::size_t before = open_descriptors();
  rig.here.channel->send(1, "late", SharedBytes("x"), descriptor_of("d"));
  rig.run();
  EXPECT_EQ(rig.here.channel->unsent(), 0u);
  EXPECT_EQ(open_descriptors(), before);
  bool drained = false;
  rig.here.channel->when_drained([&] { drained = true; });
  EXPECT_TRUE(drained);
}

TEST(ChannelEnd, BothEndsOfAClosedOneHear) {
  ChannelRig rig;
  rig.here.start();
  rig.join();
  rig.here.channel.reset();
  rig.run();
  EXPECT_FALSE(rig.here.closed.has_value());  // its owner knows
  ASSERT_TRUE(rig.there.closed.has_value());
  EXPECT_EQ(rig.there.closed->code, ErrorCode::unavailable);
}

TEST(ChannelEnd, DestroyedBeforeItsStart) {
  ChannelRig rig;
  rig.here.channel->send(1, "never");
  rig.here.channel.reset();
  rig.run();
  EXPECT_EQ(rig.read(), "");
}

TEST(ChannelEnd, DestroyedWhileItWaitsToWrite) {
  ChannelRig rig;
  rig.here.start();
  bool drained = false;
  rig.here.channel->send(1, std::string(4 << 20, 'x'));
  rig.here.channel->when_drained([&] { drained = true; });
  rig.run();
  rig.here.channel.reset();
  rig.run();
  EXPECT_FALSE(drained);
  EXPECT_FALSE(rig.here.closed.has_value());
}

TEST(ChannelEnd, DestroyedInsideOnFrame) {
  ChannelRig rig;
  std::string seen;
  rig.here.channel->start(
      [&](std::uint8_t, std::string_view payload, UniqueFd fd) {
        rig.here.channel.reset();
        seen += payload;  // still valid
        seen += text_of(fd);
      },
      [&](const Error&) { seen += "closed"; });
  const UniqueFd fd = descriptor_of(" with a descriptor");
  rig.write(on_wire(1, "the first", 1) + on_wire(2, "not the second"), {fd.get()});
  rig.run();
  rig.peer.reset();
  rig.run();
  EXPECT_EQ(seen, "the first with a descriptor");
}

TEST(ChannelEnd, DestroyedInsideOnFrameAfterItHadSent) {
  ChannelRig rig;
  rig.here.start();
  rig.here.on_frame = [&] {
    rig.here.channel->send(2, "answer");
    rig.here.channel.reset();
  };
  rig.write(on_wire(1, "question"));
  rig.run();
  EXPECT_EQ(rig.here.frames.size(), 1u);
  EXPECT_EQ(rig.read(), "");
}

TEST(ChannelEnd, DestroyedInsideOnClosed) {
  for (const bool by_protocol : {false, true}) {
    ChannelRig rig;
    rig.here.start();
    rig.here.on_closed = [&] { rig.here.channel.reset(); };
    if (by_protocol) rig.write(std::string(6, '\xff'));
    rig.peer.reset();
    rig.run();
    ASSERT_TRUE(rig.here.closed.has_value());
    EXPECT_EQ(rig.here.closed->code, by_protocol ? ErrorCode::protocol : ErrorCode::unavailable);
    EXPECT_EQ(rig.here.channel, nullptr);
  }
}

TEST(ChannelEnd, DestroyedInsideOnClosedOfAFailedWrite) {
  ChannelRig rig;
  rig.here.on_closed = [&] { rig.here.channel.reset(); };
  rig.here.start();
  rig.peer.reset();
  for (int i = 0; i < 3; ++i) rig.here.channel->send(1, "into nothing");
  rig.run();
  EXPECT_TRUE(rig.here.closed.has_value());
}

TEST(ChannelEnd, DestroyedWhenDrained) {
  ChannelRig rig;
  rig.here.start();
  rig.here.channel->send(1, "last words");
  rig.here.channel->when_drained([&] { rig.here.channel.reset(); });
  rig.run();
  EXPECT_EQ(rig.here.channel, nullptr);
  EXPECT_EQ(rig.read(), on_wire(1, "last words"));
}

TEST(ChannelEnd, DestroyedWithItsLoopStillHoldingWork) {
  ChannelRig rig;
  rig.here.start();
  rig.here.channel->send(1, "x");
  rig.here.channel.reset();  // the loop goes without having run
  EXPECT_EQ(rig.read(), "");
}
}  // namespace

}  // namespace brevdue::tests
