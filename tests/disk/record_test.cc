#include <gtest/gtest.h>
#include <unistd.h>

#include "bench/disk/record_reader.h"
#include "bench/disk/record_writer.h"
#include "tests/disk/memory_medium.h"
#include "tests/support/temporary_directory.h"

namespace brevdue::disk {
namespace {

class RecordTest : public testing::Test {
 protected:
  tests::TemporaryDirectory directory_;
  std::string path_ = directory_.path_of("record");

  void make_record() {
    auto writer = RecordWriter::create(path_, 16 * sector_size);
    ASSERT_TRUE(writer.has_value());
    ASSERT_TRUE(writer->write(512, sectors("ab"), false).has_value());
    ASSERT_TRUE(writer->write(2048, sectors("..."), false).has_value());
    ASSERT_TRUE(writer->flush().has_value());
    ASSERT_TRUE(writer->note(EventType::mark, "message 17 acknowledged\nhere").has_value());
    ASSERT_TRUE(writer->write(0, sectors("c"), true).has_value());
    ASSERT_TRUE(writer->note(EventType::end, "").has_value());
    EXPECT_EQ(writer->events(), 6u);
  }

  // A new file in its place: ext4 syncs one that is emptied and filled again, 2000 times here.
  void replace_record(std::string_view bytes) const {
    ASSERT_EQ(::unlink(path_.c_str()), 0);
    directory_.write("record", bytes);
  }

  // How many events can be read, and the error that ends them, if one does.
  std::pair<int, std::string> read_all() const {
    auto reader = RecordReader::open(path_);
    if (!reader) return {-1, describe(reader.error())};
    for (int count = 0;; ++count) {
      auto event = reader->next();
      if (!event) {
        EXPECT_EQ(event.error().code, ErrorCode::corrupt);
        return {count, describe(event.error())};
      }
      if (!event->has_value()) return {count, ""};
    }
  }
};

TEST_F(RecordTest, GivesBackWhatWasWritten) {
  make_record();
  auto reader = RecordReader::open(path_);
  ASSERT_TRUE(reader.has_value());
  EXPECT_EQ(reader->header().disk_size, 16 * sector_size);

  const auto next = [&] {
    auto event = reader->next();
    EXPECT_TRUE(event.has_value() && event->has_value());
    return **event;
  };
  const auto equals = [&](std::string_view letters) {
    const auto expected = sectors(letters);
    return std::equal(expected.begin(), expected.end(), reader->content().begin(),
                      reader->content().end());
  };
  Event event = next();
  EXPECT_EQ(event.type, EventType::write);
  EXPECT_EQ(event.range, (ByteRange{512, 1024}));
  EXPECT_FALSE(event.through);
  EXPECT_TRUE(equals("ab"));
  event = next();
  EXPECT_TRUE(event.zeros);
  EXPECT_EQ(event.range, (ByteRange{2048, 1536}));
  EXPECT_TRUE(equals("..."));
  EXPECT_EQ(next().type, EventType::flush);
  event = next();
  EXPECT_EQ(event.type, EventType::mark);
  EXPECT_EQ(event.text, "message 17 acknowledged here");
  EXPECT_EQ(event.index, 3u);
  event = next();
  EXPECT_TRUE(event.through);
  EXPECT_FALSE(reader->ended());
  EXPECT_EQ(next().type, EventType::end);
  auto end = reader->next();
  ASSERT_TRUE(end.has_value());
  EXPECT_FALSE(end->has_value());
  EXPECT_TRUE(reader->ended());
}

TEST_F(RecordTest, ARunOfZerosTakesNoRoom) {
  auto writer = RecordWriter::create(path_, 1 << 20);
  ASSERT_TRUE(writer.has_value());
  ASSERT_TRUE(writer->write(0, std::vector<std::byte>(1 << 20), false).has_value());
  EXPECT_EQ(directory_.read("record").size(), record_header_size + event_head_size);
}

TEST_F(RecordTest, IsNeverWrittenOver) {
  make_record();
  const auto again = RecordWriter::create(path_, 512);
  ASSERT_FALSE(again.has_value());
  EXPECT_EQ(again.error().code, ErrorCode::already_exists);
}

TEST_F(RecordTest, CutAnywhereItEndsAtAnEventOrSaysWhereItIsDamaged) {
  make_record();
  const std::string whole = directory_.read("record");
  const int events = read_all().first;
  int clean = 0;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    SCOPED_TRACE(size);
    replace_record(whole.substr(0, size));
    const auto [count, error] = read_all();
    EXPECT_LT(count, events);
    if (size < record_header_size) {
      EXPECT_NE(error.find("header is cut short"), std::string::npos) << error;
    } else if (error.empty()) {
      ++clean;
    } else {
      EXPECT_NE(error.find("event " + std::to_string(count) + " at byte "), std::string::npos)
          << error;
      EXPECT_NE(error.find("cut short"), std::string::npos) << error;
    }
  }
  EXPECT_EQ(clean, events);
}

TEST_F(RecordTest, EveryFlippedBitIsFound) {
  make_record();
  const std::string whole = directory_.read("record");
  const int events = read_all().first;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    SCOPED_TRACE(at);
    std::string flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ (1 << (at % 8)));
    replace_record(flipped);
    const auto [count, error] = read_all();
    EXPECT_LT(count, events);
    EXPECT_FALSE(error.empty());
  }
}

TEST_F(RecordTest, EventsInAnotherOrderAreDamage) {
  auto writer = RecordWriter::create(path_, 16 * sector_size);
  ASSERT_TRUE(writer.has_value());
  ASSERT_TRUE(writer->flush().has_value());
  ASSERT_TRUE(writer->flush().has_value());
  const std::string whole = directory_.read("record");
  const auto second = whole.substr(record_header_size + event_head_size);
  directory_.write("record", whole.substr(0, record_header_size) + second);
  EXPECT_EQ(read_all().first, 0);
}

TEST_F(RecordTest, AnotherFileOrANewerFormatIsRefused) {
  directory_.write("record", std::string(100, 'x'));
  auto reader = RecordReader::open(path_);
  ASSERT_FALSE(reader.has_value());
  EXPECT_NE(describe(reader.error()).find("not a record"), std::string::npos);
  reader = RecordReader::open(directory_.path_of("nowhere"));
  ASSERT_FALSE(reader.has_value());
  EXPECT_EQ(reader.error().code, ErrorCode::not_found);
}

}  // namespace
}  // namespace brevdue::disk
