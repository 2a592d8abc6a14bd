// Descriptors beside frames.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/ipc/channel_rig.h"

namespace brevdue::tests {

namespace {
using testing::ElementsAre;
using testing::IsEmpty;

TEST(ChannelDescriptors, ComeWithTheirFrames) {
  ChannelRig rig;
  rig.here.start();
  rig.join();
  std::vector<Frame> sent;
  for (int i = 0; i < 60; ++i) {
    const std::string text = i % 3 == 0 ? "descriptor " + std::to_string(i) : "";
    sent.push_back({1, "frame " + std::to_string(i), text});
    rig.here.channel->send(1, sent.back().payload, {},
                           text.empty() ? UniqueFd() : descriptor_of(text));
  }
  rig.run();
  EXPECT_EQ(rig.there.frames, sent);
}

TEST(ChannelDescriptors, ComeWithTheirFramesThroughAFullSocket) {
  ChannelRig rig;
  rig.here.start();
  rig.join();
  for (int i = 0; i < 40; ++i) {
    rig.here.channel->send(1, std::to_string(i), SharedBytes(std::string(70'000, 'x')),
                           descriptor_of(std::to_string(i)));
  }
  rig.run();
  ASSERT_EQ(rig.there.frames.size(), 40u);
  for (std::size_t i = 0; i < 40; ++i) {
    EXPECT_EQ(rig.there.frames[i].descriptor, std::to_string(i));
    EXPECT_EQ(rig.there.frames[i].payload, std::to_string(i) + std::string(70'000, 'x'));
  }
}

TEST(ChannelDescriptors, MayComeLongBeforeTheEndOfTheirFrame) {
  ChannelRig rig;
  rig.here.start();
  const UniqueFd fd = descriptor_of("early");
  const std::string bytes = on_wire(1, "payload", 1);
  rig.write(bytes.substr(0, 1), {fd.get()});
  for (const char byte : bytes.substr(1)) {
    rig.run();
    EXPECT_THAT(rig.here.frames, IsEmpty());
    rig.write(std::string(1, byte));
  }
  rig.run();
  EXPECT_THAT(rig.here.frames, ElementsAre(Frame{1, "payload", "early"}));
}

TEST(ChannelDescriptors, ThatAreMissingCloseTheChannel) {
  ChannelRig rig;
  rig.here.start();
  rig.write(on_wire(1, "good") + on_wire(2, "bad", 1));
  rig.run();
  EXPECT_THAT(rig.here.frames, ElementsAre(Frame{1, "good", {}}));
  ASSERT_TRUE(rig.here.closed.has_value());
  EXPECT_EQ(rig.here.closed->code, ErrorCode::protocol);
}

TEST(ChannelDescriptors, WithoutAFrameCloseTheChannelAndAreClosed) {
  const UniqueFd fd = descriptor_of("stray");
  const std::size_t before = open_descriptors();
  {
    ChannelRig rig;
    rig.here.start();
    rig.write(on_wire(1, "announces none"), {fd.get()});
    rig.run();
    ASSERT_TRUE(rig.here.closed.has_value());
    EXPECT_EQ(rig.here.closed->code, ErrorCode::protocol);
  }
  EXPECT_EQ(open_descriptors(), before);
}

TEST(ChannelDescriptors, DoNotPileUp) {
  const UniqueFd fd = descriptor_of("one of many");
  const std::size_t before = open_descriptors();
  {
    ChannelRig rig;
    rig.here.start();
    // A frame that never ends, each piece of it with more descriptors.
    rig.write(on_wire(1, std::string(1000, 'x'), 1).substr(0, 100), {fd.get()});
    rig.run();
    EXPECT_FALSE(rig.here.closed.has_value());
    rig.write("xxxx", {fd.get(), fd.get(), fd.get(), fd.get(), fd.get()});
    rig.run();
    ASSERT_TRUE(rig.here.closed.has_value());
    EXPECT_EQ(rig.here.closed->code, ErrorCode::protocol);
  }
  EXPECT_EQ(open_descriptors(), before);
}

TEST(ChannelDescriptors, MoreThanOneMessageHoldsAreNotLeaked) {
  const UniqueFd fd = descriptor_of("one of twenty");
  const int n = fd.get();
  const std::size_t before = open_descriptors();
  {
    ChannelRig rig;
    rig.here.start();
    rig.write(on_wire(1, "x", 1), {n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n});
    rig.run();
    ASSERT_TRUE(rig.here.closed.has_value());
    EXPECT_EQ(rig.here.closed->code, ErrorCode::protocol);
  }
  EXPECT_EQ(open_descriptors(), before);
}

TEST(ChannelDescriptors, AreClosedByTheSenderOnceSent) {
  ChannelRig rig;
  rig.here.start();
  rig.join();
  const std::size_t before = open_descriptors();
  for (int i = 0; i < 10; ++i) rig.here.channel->send(1, "x", {}, descriptor_of("d"));
  EXPECT_EQ(open_descriptors(), before + 10);
  rig.run();
  EXPECT_EQ(rig.there.frames.size(), 10u);
  EXPECT_EQ(open_descriptors(), before);
}

TEST(ChannelDescriptors, NeverSentAreClosedWithTheChannel) {
  const std::size_t before = open_descriptors();
  {
    ChannelRig rig;
    rig.here.start();
    for (int i = 0; i < 5; ++i) rig.here.channel->send(1, "x", {}, descriptor_of("d"));
    rig.here.channel.reset();
    rig.here.channel = nullptr;
    rig.run();
    EXPECT_EQ(open_descriptors(), before + 1 + 3);  // the peer, and the loop's own three
  }
  EXPECT_EQ(open_descriptors(), before);
}
}  // namespace

}  // namespace brevdue::tests
