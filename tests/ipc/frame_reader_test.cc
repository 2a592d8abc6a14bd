// Frames cut out of bytes that come in any pieces, and where their payload lies.
#include "ipc/frame_reader.h"

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/ipc/channel_rig.h"

namespace brevdue::tests {

namespace {

using ipc::FrameReader;

std::string pattern(std::size_t size, std::uint64_t seed) {
  std::string bytes(size, '\0');
  std::mt19937_64 random(seed);
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

// Puts up to `most` of `bytes` into the space; returns how many.
std::size_t fill(FrameReader& reader, std::string_view bytes, std::size_t most) {
  std::size_t put = 0;
  for (const iovec& part : reader.space()) {
    const std::size_t size = std::min({part.iov_len, bytes.size() - put, most - put});
    std::memcpy(part.iov_base, bytes.data() + put, size);
    put += size;
  }
  reader.received(put);
  return put;
}

TEST(FrameReader, FramesOfAllSizesInPiecesOfAllSizes) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    std::mt19937_64 random(seed);
    std::string bytes;
    std::vector<std::string> sent;
    for (unsigned i = 0; i < 40; ++i) {
      constexpr std::size_t bounds[] = {1, 60, 5000, 32 * 1024 + 2, 70'000, 400'000};
      sent.push_back(pattern(random() % bounds[random() % 6], seed * 100 + i));
      bytes += on_wire(static_cast<std::uint8_t>(i), sent.back());
    }
    FrameReader reader;
    std::vector<std::string> found;
    std::string_view rest(bytes);
    while (!rest.empty()) {
      const std::size_t most = seed % 3 == 0 ? rest.size() : 1 + random() % 90'000;
      rest.remove_prefix(fill(reader, rest, most));
      while (true) {
        const auto frame = reader.next();
        ASSERT_TRUE(frame.has_value());
        if (!*frame) break;
        EXPECT_EQ((*frame)->type, found.size());
        found.emplace_back((*frame)->payload.view());
      }
    }
    EXPECT_FALSE(reader.within_frame());
    EXPECT_EQ(found, sent) << seed;
  }
}

TEST(FrameReader, MostOfALargeFrameIsKeptWhereItLies) {
  FrameReader reader;
  const std::string payload = pattern(70'000, 1);
  const std::string bytes = on_wire(1, payload) + on_wire(2, "small");
  std::string_view rest(bytes);
  rest.remove_prefix(fill(reader, rest, 5000));
  EXPECT_FALSE(reader.next().value());
  EXPECT_TRUE(reader.within_frame());
  rest.remove_prefix(fill(reader, rest, rest.size()));
  EXPECT_TRUE(rest.empty());
  SharedBytes content;
  SharedBytes head;
  {
    const auto large = reader.next().value();
    ASSERT_TRUE(large);
    const std::string_view view = large->payload.view();
    content = large->payload.keep(view.substr(100));
    head = large->payload.keep(view.substr(0, 100));
    EXPECT_EQ(content.view().data(), view.data() + 100);
    EXPECT_NE(head.view().data(), view.data());
  }
  const auto small = reader.next().value();
  ASSERT_TRUE(small);
  const SharedBytes kept = small->payload.keep(small->payload.view());
  EXPECT_NE(kept.view().data(), small->payload.view().data());
  fill(reader, on_wire(3, pattern(90'000, 2)), 90'000);
  EXPECT_EQ(content.view(), payload.substr(100));
  EXPECT_EQ(head.view(), payload.substr(0, 100));
  EXPECT_EQ(kept.view(), "small");
}

// Where large frames come, a read begins with no more than the header needs.
TEST(FrameReader, OneLargeFrameAfterTheOtherIsCopiedOnlyAtItsBeginning) {
  FrameReader reader;
  std::string bytes;
  for (std::uint8_t i = 0; i < 10; ++i) bytes += on_wire(i, pattern(64 * 1024, i));
  std::string_view rest(bytes);
  int shared = 0;
  while (!rest.empty()) {
    rest.remove_prefix(fill(reader, rest, rest.size()));
    while (const auto frame = reader.next().value()) {
      const auto kept = frame->payload.keep(frame->payload.view());
      shared += kept.view().data() == frame->payload.view().data() ? 1 : 0;
    }
  }
  // The first read did not know what would come: three of them were whole in it.
  EXPECT_EQ(shared, 7);
}

TEST(FrameReader, SaysWhetherThereMayBeMoreToRead) {
  FrameReader reader;
  const std::string bytes = on_wire(1, pattern(70'000, 1));
  fill(reader, bytes, 10);
  EXPECT_FALSE(reader.filled_the_space());
  EXPECT_FALSE(reader.next().value());
  std::size_t room = 0;
  for (const iovec& part : reader.space()) room += part.iov_len;
  EXPECT_EQ(fill(reader, bytes.substr(10) + std::string(room, '\0'), room), room);
  EXPECT_TRUE(reader.filled_the_space());
}

TEST(FrameReader, ALengthOutOfBoundsIsNotBelieved) {
  FrameReader reader;
  std::string bytes;
  put(bytes, static_cast<std::uint32_t>(ipc::frame_bytes_max + 1));
  put(bytes, std::uint8_t{1});
  put(bytes, std::uint8_t{0});
  fill(reader, bytes, bytes.size());
  const auto frame = reader.next();
  ASSERT_FALSE(frame.has_value());
  EXPECT_EQ(frame.error().code, ErrorCode::protocol);
}

}  // namespace

}  // namespace brevdue::tests
