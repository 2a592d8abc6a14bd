// Frames: in order, whole, however they are cut up on their way.
#include "ipc/channel.h"

#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/ipc/channel_rig.h"

namespace brevdue::tests {

namespace {
using testing::ElementsAre;
using testing::IsEmpty;

std::string header(std::uint32_t length, std::uint8_t type, std::uint8_t with_fd) {
  std::string bytes;
  put(bytes, length);
  put(bytes, type);
  put(bytes, with_fd);
  return bytes;
}

// No two bytes near each other are alike.
std::string pattern(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 131 + (i >> 8) * 17);
  return bytes;
}

TEST(Channel, FramesArriveInOrder) {
  ChannelRig rig;
  rig.here.start();
  rig.join();
  std::vector<Frame> sent;
  for (int i = 0; i < 1000; ++i) {
    const auto type = static_cast<std::uint8_t>(i);
    sent.push_back({type, std::to_string(i), {}});
    rig.here.channel->send(type, std::to_string(i));
  }
  rig.run();
  EXPECT_EQ(rig.there.frames, sent);
  EXPECT_EQ(rig.here.channel->unsent(), 0u);
}

TEST(Channel, GoesBothWays) {
  ChannelRig rig;
  rig.here.start();
  rig.join();
  rig.there.on_frame = [&] { rig.there.channel->send(2, rig.there.frames.back().payload + "!"); };
  rig.here.channel->send(1, "one");
  rig.here.channel->send(1, "two");
  rig.run();
  EXPECT_THAT(rig.here.frames, ElementsAre(Frame{2, "one!", {}}, Frame{2, "two!", {}}));
}

TEST(Channel, OnTheWireItIsLengthTypeFlagAndPayload) {
  ChannelRig rig;
  rig.here.start();
  rig.here.channel->send(7, "head", SharedBytes("tail"));
  rig.here.channel->send(8, "", SharedBytes());
  rig.run();
  EXPECT_EQ(rig.read(), on_wire(7, "headtail") + on_wire(8, ""));
}

TEST(Channel, ManyFramesInOneWrite) {
  ChannelRig rig;
  rig.here.start();
  std::string bytes;
  for (int i = 0; i < 50; ++i) bytes += on_wire(static_cast<std::uint8_t>(i), pattern(100));
  rig.write(bytes);
  rig.run();
  ASSERT_EQ(rig.here.frames.size(), 50u);
  EXPECT_EQ(rig.here.frames[49], (Frame{49, pattern(100), {}}));
}

TEST(Channel, OneByteAtATime) {
  ChannelRig rig;
  rig.here.start();
  const std::string bytes = on_wire(1, "first") + on_wire(2, "") + on_wire(3, pattern(40));
  for (const char byte : bytes) {
    rig.write(std::string(1, byte));
    rig.run();
  }
  EXPECT_THAT(rig.here.frames,
              ElementsAre(Frame{1, "first", {}}, Frame{2, "", {}}, Frame{3, pattern(40), {}}));
}

TEST(Channel, CutAtEveryByte) {
  const std::string bytes = on_wire(1, "first") + on_wire(2, "") + on_wire(3, "third");
  for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
    ChannelRig rig;
    rig.here.start();
    rig.write(bytes.substr(0, cut));
    rig.run();
    const std::size_t whole = cut < 11 ? 0 : (cut < 17 ? 1 : 2);
    EXPECT_EQ(rig.here.frames.size(), whole) << cut;
    rig.write(bytes.substr(cut));
    rig.run();
    EXPECT_EQ(rig.here.frames.size(), 3u) << cut;
    EXPECT_EQ(rig.here.frames.back().payload, "third") << cut;
  }
}

TEST(Channel, AFrameOfSeveralMebibytes) {
  ChannelRig rig;
  rig.here.start();
  rig.join();
  const std::string head = pattern(3 << 20);
  const std::string tail = pattern((5 << 20) + 7);
  rig.here.channel->send(1, head, SharedBytes(tail));
  rig.here.channel->send(2, "after it");
  EXPECT_EQ(rig.here.channel->unsent(), head.size() + tail.size() + 8 + 12);
  rig.run();
  ASSERT_EQ(rig.there.frames.size(), 2u);
  EXPECT_EQ(rig.there.frames[0].payload, head + tail);
  EXPECT_EQ(rig.there.frames[1].payload, "after it");
}

TEST(Channel, MoreFramesThanOneCallToTheKernelTakes) {
  ChannelRig rig;
  rig.here.start();
  rig.join();
  for (int i = 0; i < 500; ++i) rig.here.channel->send(1, "h", SharedBytes(pattern(5000)));
  rig.run();
  ASSERT_EQ(rig.there.frames.size(), 500u);
  for (const Frame& frame : rig.there.frames) ASSERT_EQ(frame.payload, "h" + pattern(5000));
}

TEST(Channel, RandomFramesRandomlyCut) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    std::mt19937_64 random(seed);
    std::string bytes;
    std::vector<Frame> sent;
    for (int i = 0; i < 40; ++i) {
      const auto type = static_cast<std::uint8_t>(random());
      sent.push_back({type, pattern(random() % (i % 10 == 0 ? 30'000 : 60)), {}});
      bytes += on_wire(type, sent.back().payload);
    }
    ChannelRig rig;
    rig.here.start();
    while (!bytes.empty()) {
      const std::size_t size = 1 + random() % std::min<std::size_t>(bytes.size(), 20'000);
      rig.write(bytes.substr(0, size));
      bytes.erase(0, size);
      if (random() % 2 == 0) rig.run();
    }
    rig.run();
    EXPECT_EQ(rig.here.frames, sent) << seed;
  }
}

TEST(ChannelBounds, AFrameOverTheBoundCloses) {
  ChannelRig rig;
  rig.here.start();
  rig.write(on_wire(1, "good") + header(ipc::Channel::frame_bytes_max + 1, 2, 0));
  rig.run();
  EXPECT_EQ(rig.here.frames.size(), 1u);
  ASSERT_TRUE(rig.here.closed.has_value());
  EXPECT_EQ(rig.here.closed->code, ErrorCode::protocol);
  EXPECT_FALSE(rig.here.channel->is_open());
}

TEST(ChannelBounds, AFrameAtTheBoundIsWaitedFor) {
  ChannelRig rig;
  rig.here.start();
  rig.write(header(ipc::Channel::frame_bytes_max, 2, 0) + "its beginning");
  rig.run();
  EXPECT_FALSE(rig.here.closed.has_value());
  EXPECT_THAT(rig.here.frames, IsEmpty());
}

TEST(ChannelBounds, AnUnknownFlagCloses) {
  ChannelRig rig;
  rig.here.start();
  rig.write(header(0, 1, 2));
  rig.run();
  ASSERT_TRUE(rig.here.closed.has_value());
  EXPECT_EQ(rig.here.closed->code, ErrorCode::protocol);
}

TEST(ChannelDrained, IsSaidAtOnceWhenNothingIsUnsent) {
  ChannelRig rig;
  rig.here.start();
  bool drained = false;
  rig.here.channel->when_drained([&] { drained = true; });
  EXPECT_TRUE(drained);
}

TEST(ChannelDrained, IsSaidOnceTheKernelTookAll) {
  ChannelRig rig;
  rig.here.start();
  int drained = 0;
  rig.here.channel->send(1, pattern(4 << 20));
  rig.here.channel->when_drained([&] { ++drained; });
  rig.run();
  EXPECT_EQ(drained, 0);
  EXPECT_GT(rig.here.channel->unsent(), 0u);
  std::string got;
  while (drained == 0) {
    const std::string more = rig.read();
    ASSERT_FALSE(more.empty());
    got += more;
    rig.run();
  }
  EXPECT_EQ(rig.here.channel->unsent(), 0u);
  got += rig.read();
  EXPECT_EQ(got, on_wire(1, pattern(4 << 20)));
  rig.here.channel->send(2, "more");
  rig.run();
  EXPECT_EQ(drained, 1);
}
}  // namespace

}  // namespace brevdue::tests
