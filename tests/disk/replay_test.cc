#include "bench/disk/replay.h"

#include <gtest/gtest.h>

#include "bench/disk/record_writer.h"
#include "tests/disk/memory_medium.h"
#include "tests/support/temporary_directory.h"

namespace brevdue::disk {
namespace {

constexpr std::uint64_t disk_size = 8 * sector_size;

class ReplayTest : public testing::Test {
 protected:
  tests::TemporaryDirectory directory_;
  std::string record_ = directory_.path_of("record");
  std::string out_ = directory_.path_of("out");

  // 0 write a@0-1, 1 flush, 2 mark, 3 write b@1-2, 4 write c@4-6, 5 write d@2, 6 flush, 7 end
  void SetUp() override {
    auto writer = RecordWriter::create(record_, disk_size);
    ASSERT_TRUE(writer.has_value());
    ASSERT_TRUE(writer->write(0, sectors("aa"), false).has_value());
    ASSERT_TRUE(writer->flush().has_value());
    ASSERT_TRUE(writer->note(EventType::mark, "first").has_value());
    ASSERT_TRUE(writer->write(512, sectors("bb"), false).has_value());
    ASSERT_TRUE(writer->write(2048, sectors("ccc"), false).has_value());
    ASSERT_TRUE(writer->write(1024, sectors("d"), false).has_value());
    ASSERT_TRUE(writer->flush().has_value());
    ASSERT_TRUE(writer->note(EventType::end, "").has_value());
  }

  std::string letters_of(const std::string& path) const {
    auto image = ImageFile::open(path);
    EXPECT_TRUE(image.has_value());
    MemoryMedium copy(disk_size);
    std::vector<std::byte> bytes(disk_size);
    EXPECT_TRUE(image->read(0, bytes).has_value());
    EXPECT_TRUE(copy.write(0, bytes).has_value());
    return copy.letters();
  }

  std::string cut_at(std::uint64_t upto, const PowerCut& cut, const std::string& base = "") const {
    {
      auto replay = Replay::open(record_, base, out_);
      EXPECT_TRUE(replay.has_value());
      EXPECT_TRUE(replay->advance(upto).has_value());
      EXPECT_TRUE(replay->finish(cut).has_value());
    }
    return letters_of(out_);
  }
};

TEST_F(ReplayTest, APrefixIsEverythingWrittenBeforeIt) {
  const std::vector<std::string> expected{"........", "aa......", "aa......",
                                          "aa......", "abb.....", "abb.ccc.",
                                          "abd.ccc.", "abd.ccc.", "abd.ccc."};
  for (std::uint64_t upto = 0; upto < expected.size(); ++upto) {
    EXPECT_EQ(cut_at(upto, PowerCut::keep()), expected[upto]) << upto;
  }
}

TEST_F(ReplayTest, WithoutSurvivorsOnlyFlushedWritesAreThere) {
  const std::vector<std::string> expected{"........", "........", "aa......",
                                          "aa......", "aa......", "aa......",
                                          "aa......", "abd.ccc.", "abd.ccc."};
  for (std::uint64_t upto = 0; upto < expected.size(); ++upto) {
    EXPECT_EQ(cut_at(upto, PowerCut::drop()), expected[upto]) << upto;
  }
}

TEST_F(ReplayTest, ASubsetKeepsWholeWritesInTheirOrder) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    seen.insert(cut_at(6, PowerCut::subset(seed)));
    EXPECT_EQ(cut_at(7, PowerCut::subset(seed)), "abd.ccc.");
  }
  const std::set<std::string> all{"aa......", "abb.....", "aa..ccc.", "aad.....",
                                  "abb.ccc.", "abd.....", "aad.ccc.", "abd.ccc."};
  EXPECT_EQ(seen, all);
}

TEST_F(ReplayTest, ATornWriteKeepsSomeOfItsSectors) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const std::string left = cut_at(5, PowerCut::torn(seed, 512));
    EXPECT_EQ(left[0], 'a');
    seen.insert(left);
  }
  EXPECT_TRUE(seen.contains("aa..c.c."));
  EXPECT_TRUE(seen.contains("aab....."));
}

TEST_F(ReplayTest, StartsFromABaseImageAndLeavesItAlone) {
  const std::string base = directory_.path_of("base");
  {
    auto image = ImageFile::create(base, disk_size, true);
    ASSERT_TRUE(image.has_value());
    ASSERT_TRUE(image->write(0, sectors("zzzzzzzz")).has_value());
  }
  EXPECT_EQ(cut_at(2, PowerCut::drop(), base), "aazzzzzz");
  EXPECT_EQ(letters_of(base), "zzzzzzzz");
  ASSERT_TRUE(ImageFile::create(base, 2 * disk_size, true).has_value());
  const auto wrong = Replay::open(record_, base, out_);
  ASSERT_FALSE(wrong.has_value());
  EXPECT_EQ(wrong.error().code, ErrorCode::invalid_argument);
}

TEST_F(ReplayTest, ASweepGivesTheSameImagesAsSingleReplays) {
  auto replay = Replay::open(record_, "", directory_.path_of("durable"));
  ASSERT_TRUE(replay.has_value());
  const std::string image = directory_.path_of("image");
  for (std::uint64_t upto = 0; upto <= 8; ++upto) {
    ASSERT_TRUE(replay->advance(upto).has_value());
    for (const auto& cut : {PowerCut::keep(), PowerCut::subset(5), PowerCut::torn(9, 512)}) {
      ASSERT_TRUE(replay->write_image(cut, image).has_value());
      EXPECT_EQ(letters_of(image), cut_at(upto, cut)) << upto;
    }
    EXPECT_EQ(replay->marks().size(), upto > 2 ? 1u : 0u);
  }
  EXPECT_FALSE(replay->advance(3).has_value());
  EXPECT_EQ(*replay->advance(1000), 8u);
  EXPECT_TRUE(replay->at_end());
}

TEST_F(ReplayTest, DamageIsReportedOnlyWhenItIsReached) {
  std::string bytes = directory_.read("record");
  bytes[bytes.size() - 1] = static_cast<char>(bytes[bytes.size() - 1] ^ 1);
  directory_.write("record", bytes);
  EXPECT_EQ(cut_at(7, PowerCut::drop()), "abd.ccc.");
  auto replay = Replay::open(record_, "", out_);
  ASSERT_TRUE(replay.has_value());
  const auto damaged = replay->advance(8);
  ASSERT_FALSE(damaged.has_value());
  EXPECT_EQ(damaged.error().code, ErrorCode::corrupt);
}

}  // namespace
}  // namespace brevdue::disk
