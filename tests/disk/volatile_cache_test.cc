#include "bench/disk/volatile_cache.h"

#include <random>

#include <gtest/gtest.h>

#include "tests/disk/memory_medium.h"

namespace brevdue::disk {
namespace {

constexpr std::uint64_t ample = 1 << 20;

class VolatileCacheTest : public testing::Test {
 protected:
  MemoryMedium medium_{8 * sector_size};
  VolatileCache cache_{medium_, ample};

  void write(std::uint64_t sector, std::string_view letters) {
    ASSERT_TRUE(cache_.write(sector * sector_size, sectors(letters)).has_value());
  }
  void write_through(std::uint64_t sector, std::string_view letters) {
    ASSERT_TRUE(cache_.write_through(sector * sector_size, sectors(letters)).has_value());
  }
  std::string seen() const {
    MemoryMedium copy(medium_.size());
    std::vector<std::byte> bytes(medium_.size());
    EXPECT_TRUE(cache_.read(0, bytes).has_value());
    EXPECT_TRUE(copy.write(0, bytes).has_value());
    return copy.letters();
  }
};

TEST_F(VolatileCacheTest, WritesAreSeenAtOnceAndKeptOnlyByAFlush) {
  write(1, "ab");
  EXPECT_EQ(seen(), ".ab.....");
  EXPECT_EQ(medium_.letters(), "........");
  ASSERT_TRUE(cache_.flush().has_value());
  EXPECT_EQ(medium_.letters(), ".ab.....");
  EXPECT_EQ(cache_.pending_writes(), 0u);
}

TEST_F(VolatileCacheTest, NewerWritesHideOlderOnesWhereverTheyOverlap) {
  write(0, "aaaaaaaa");
  write(2, "bb");
  EXPECT_EQ(seen(), "aabbaaaa");
  write(1, "ccc");
  EXPECT_EQ(seen(), "acccaaaa");
  write(3, "ddd");
  EXPECT_EQ(seen(), "accdddaa");
  ASSERT_TRUE(cache_.flush().has_value());
  EXPECT_EQ(medium_.letters(), "accdddaa");
}

TEST_F(VolatileCacheTest, ACutForgetsWhatWasNotFlushed) {
  write(0, "aa");
  ASSERT_TRUE(cache_.flush().has_value());
  write(1, "bb");
  ASSERT_TRUE(cache_.cut(PowerCut::drop()).has_value());
  EXPECT_EQ(medium_.letters(), "aa......");
  EXPECT_EQ(seen(), "aa......");
}

TEST_F(VolatileCacheTest, AWriteThroughIsDurableAloneAndNeverUndoneByOlderOnes) {
  write(0, "aaaa");
  write_through(1, "bb");
  EXPECT_EQ(seen(), "abba....");
  EXPECT_EQ(medium_.letters(), ".bb.....");
  ASSERT_TRUE(cache_.apply_survivors(PowerCut::keep(), medium_).has_value());
  EXPECT_EQ(medium_.letters(), "abba....");
  write(2, "cc");
  ASSERT_TRUE(cache_.flush().has_value());
  EXPECT_EQ(medium_.letters(), "abcc....");
}

TEST_F(VolatileCacheTest, WhenFullItWritesTheOldestBack) {
  VolatileCache small(medium_, 2 * sector_size);
  ASSERT_TRUE(small.write(0, sectors("a")).has_value());
  ASSERT_TRUE(small.write(sector_size, sectors("b")).has_value());
  EXPECT_EQ(medium_.letters(), "........");
  ASSERT_TRUE(small.write(2 * sector_size, sectors("c")).has_value());
  EXPECT_EQ(medium_.letters(), "a.......");
  EXPECT_EQ(small.written_back_early(), 1u);
  // One that can never fit goes to the medium, after everything older.
  ASSERT_TRUE(small.write(0, sectors("dddd")).has_value());
  EXPECT_EQ(medium_.letters(), "dddd....");
  EXPECT_EQ(small.pending_bytes(), 0u);
}

TEST_F(VolatileCacheTest, AFailingMediumLosesNothingOfTheCache) {
  write(0, "ab");
  medium_.failing = EIO;
  const auto failed = cache_.flush();
  ASSERT_FALSE(failed.has_value());
  EXPECT_EQ(failed.error().os_error, EIO);
  EXPECT_EQ(seen(), "ab......");
  medium_.failing.reset();
  ASSERT_TRUE(cache_.flush().has_value());
  EXPECT_EQ(medium_.letters(), "ab......");
}

TEST_F(VolatileCacheTest, ASubsetIsWholeWritesAndTheSameForTheSameSeed) {
  bool lost_one = false;
  bool kept_one = false;
  for (std::uint64_t seed = 0; seed < 64; ++seed) {
    MemoryMedium first(8 * sector_size);
    MemoryMedium again(8 * sector_size);
    VolatileCache cache(first, ample);
    ASSERT_TRUE(cache.write(0, sectors("aa")).has_value());
    ASSERT_TRUE(cache.write(3 * sector_size, sectors("bbb")).has_value());
    ASSERT_TRUE(cache.apply_survivors(PowerCut::subset(seed), again).has_value());
    ASSERT_TRUE(cache.cut(PowerCut::subset(seed)).has_value());
    const std::string left = first.letters();
    EXPECT_EQ(left, again.letters());
    EXPECT_TRUE(left.starts_with("aa.") || left.starts_with("...")) << left;
    EXPECT_TRUE(left.ends_with("bbb..") || left.ends_with(".....")) << left;
    lost_one = lost_one || left.find('a') == std::string::npos;
    kept_one = kept_one || left.find('a') != std::string::npos;
  }
  EXPECT_TRUE(lost_one && kept_one);
}

// The sectors of 4096 bytes are aligned on the disk, not to the write.
TEST(PowerCut, TearsOnlyAtTheSectorsItWasTold) {
  const ByteRange write{3 * 512, 4 * 4096};
  bool torn = false;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    for (const std::uint64_t sector : {512u, 4096u}) {
      std::uint64_t last = write.offset;
      for (const ByteRange& kept : PowerCut::torn(seed, sector).survivors(7, write)) {
        EXPECT_GE(kept.offset, last);
        EXPECT_LE(kept.end(), write.end());
        EXPECT_TRUE(kept.offset == write.offset || kept.offset % sector == 0);
        EXPECT_TRUE(kept.end() == write.end() || kept.end() % sector == 0);
        torn = torn || kept.length < write.length;
        last = kept.end();
      }
    }
  }
  EXPECT_TRUE(torn);
}

TEST(PowerCut, ReadsWhatItPrints) {
  for (const auto& cut : {PowerCut::keep(), PowerCut::drop(), PowerCut::subset(17),
                          PowerCut::torn(3, 512), PowerCut::torn(4, 4096)}) {
    std::vector<std::string> words;
    const std::string text = cut.text();
    for (std::size_t at = 0; at < text.size();) {
      const auto end = std::min(text.find(' ', at), text.size());
      words.push_back(text.substr(at, end - at));
      at = end + 1;
    }
    const auto again = PowerCut::parse(words);
    ASSERT_TRUE(again.has_value()) << text;
    EXPECT_EQ(again->text(), text);
  }
  for (const std::vector<std::string>& wrong : {std::vector<std::string>{"subset"},
                                                {"torn", "1"},
                                                {"torn", "1", "1024"},
                                                {"half"},
                                                {"drop", "1"},
                                                {"subset", "x"}}) {
    EXPECT_FALSE(PowerCut::parse(wrong).has_value());
  }
}

// Random operations beside two plain arrays: what reads see, and what is durable.
TEST(VolatileCacheModel, AgreesWithPlainArrays) {
  constexpr std::size_t disk_sectors = 64;
  for (unsigned seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    MemoryMedium medium(disk_sectors * sector_size);
    MemoryMedium seen(disk_sectors * sector_size);
    VolatileCache cache(medium, ample);
    for (int step = 0; step < 300; ++step) {
      const std::size_t first = random() % disk_sectors;
      const std::size_t count = 1 + random() % std::min<std::size_t>(8, disk_sectors - first);
      const auto bytes = sectors(std::string(count, static_cast<char>('a' + random() % 26)));
      const unsigned what = random() % 20;
      if (what == 0) {
        ASSERT_TRUE(cache.flush().has_value());
        ASSERT_EQ(medium.bytes(), seen.bytes());
      } else if (what == 1) {
        ASSERT_TRUE(cache.cut(PowerCut::drop()).has_value());
        ASSERT_TRUE(seen.write(0, medium.bytes()).has_value());
      } else {
        const auto written = what < 4 ? cache.write_through(first * sector_size, bytes)
                                      : cache.write(first * sector_size, bytes);
        ASSERT_TRUE(written.has_value());
        ASSERT_TRUE(seen.write(first * sector_size, bytes).has_value());
      }
      std::vector<std::byte> read(count * sector_size);
      ASSERT_TRUE(cache.read(first * sector_size, read).has_value());
      ASSERT_TRUE(
          std::equal(read.begin(), read.end(),
                     seen.bytes().begin() + static_cast<std::ptrdiff_t>(first * sector_size)));
    }
    ASSERT_TRUE(cache.cut(PowerCut::keep()).has_value());
    ASSERT_EQ(medium.bytes(), seen.bytes());
  }
}

}  // namespace
}  // namespace brevdue::disk
