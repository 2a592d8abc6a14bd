#include "mirror/side_record.h"

#include <cerrno>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/crc32c.h"
#include "core/uuid.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/temporary_directory.h"

namespace brevdue::tests {

namespace {
using mirror::SideRecord;
using testing::HasSubstr;

class SideRecordTest : public testing::Test {
 protected:
  Result<std::optional<SideRecord>> read() {
    return mirror::read_side_record(files_, spool_.fd(), "/spool");
  }

  const SideRecord record_{random_uuid(), random_uuid(), random_uuid(), 12, true, true};
  RealFileSystem real_files_;
  FaultyFileSystem files_{real_files_};
  TemporaryDirectory spool_;
};

TEST_F(SideRecordTest, IsReadAsWritten) {
  for (const bool stale : {true, false}) {
    SideRecord record = record_;
    record.partner_is_stale = stale;
    record.self_is_incomplete = !stale;
    ASSERT_TRUE(mirror::write_side_record(files_, spool_.fd(), record));
    const auto found = read();
    ASSERT_TRUE(found.has_value()) << describe(found.error());
    EXPECT_EQ(*found, record);
  }
}

TEST_F(SideRecordTest, OfASpoolThatIsNoMirrorIsNothing) {
  const auto found = read();
  ASSERT_TRUE(found.has_value());
  EXPECT_FALSE(found->has_value());
}

TEST_F(SideRecordTest, SaysWhatItSays) {
  const std::string text = encode(record_);
  EXPECT_EQ(text.substr(0, text.find("crc32c")),
            "brevdue-mirror 1\nset " + record_.set + "\nself " + record_.self + "\npartner " +
                record_.partner + "\nepoch 12\npartner-is stale\nself-is incomplete\n");
}

// Whatever happens to a byte, or to the end, it is not taken for another record.
TEST_F(SideRecordTest, DamageIsSeenWhereverItIs) {
  const std::string text = encode(record_);
  for (std::size_t at = 0; at < text.size(); ++at) {
    for (const int bit : {0, 3, 5, 7}) {
      std::string damaged = text;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      const auto found = mirror::decode_side_record(damaged, "/spool");
      if (found) {
        // The case of a digit of the checksum is no part of what it says.
        EXPECT_EQ(*found, record_) << at;
      } else {
        EXPECT_THAT(found.error().context, HasSubstr("/spool/mirror")) << at;
      }
    }
    EXPECT_FALSE(mirror::decode_side_record(text.substr(0, at), "/spool")) << at;
  }
  EXPECT_FALSE(mirror::decode_side_record(text + "\n", "/spool"));
  EXPECT_FALSE(mirror::decode_side_record(text + text, "/spool"));
}

TEST_F(SideRecordTest, WhatIsNotARecordIsRefusedWithACheckSumThatFits) {
  const auto summed = [](std::string text) {
    char sum[32];
    std::snprintf(sum, sizeof sum, "crc32c %08x\n", crc32c(text));
    return text + sum;
  };
  const std::string set = "set " + record_.set + "\n";
  const std::string self = "self " + record_.self + "\n";
  const std::string partner = "partner " + record_.partner + "\n";
  const std::string head = "brevdue-mirror 1\n";
  const std::string last = "self-is whole\n";
  EXPECT_TRUE(mirror::decode_side_record(
      summed(head + set + self + partner + "epoch 1\npartner-is current\n" + last), "/spool"));
  for (const std::string& text :
       {head, head + set + self + partner + "epoch 1\n",
        head + set + self + partner + "epoch 1\npartner-is current\n",
        head + set + self + partner + "epoch 1\npartner-is current\nself-is fine\n",
        head + set + self + partner + "epoch -1\npartner-is current\n" + last,
        head + set + self + partner + "epoch 99999999999999999999\npartner-is current\n" + last,
        head + set + self + partner + "epoch 1x\npartner-is current\n" + last,
        head + set + self + partner + "epoch 1\npartner-is fine\n" + last,
        head + set + self + partner + "epoch 1\npartner-is current\n" + last + "more 1\n",
        head + self + set + partner + "epoch 1\npartner-is current\n" + last,
        head + "set x\n" + self + partner + "epoch 1\npartner-is current\n" + last}) {
    const auto found = mirror::decode_side_record(summed(text), "/spool");
    ASSERT_FALSE(found) << text;
    EXPECT_EQ(found.error().code, ErrorCode::corrupt);
  }
}

TEST_F(SideRecordTest, OfANewerVersionSaysSo) {
  const auto found = mirror::decode_side_record("brevdue-mirror 2\n", "/spool");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::unsupported);
  EXPECT_THAT(found.error().context, HasSubstr("upgrade"));
}

// The old record or the new one, whichever call fails.
TEST_F(SideRecordTest, AWriteThatFailsLeavesAWholeRecord) {
  for (const Call call : {Call::open, Call::write, Call::sync, Call::rename}) {
    ASSERT_TRUE(mirror::write_side_record(files_, spool_.fd(), record_));
    SideRecord next = record_;
    ++next.epoch;
    files_.fail(call, 1, EIO, Lasting::once);
    EXPECT_FALSE(mirror::write_side_record(files_, spool_.fd(), next));
    const auto found = read();
    ASSERT_TRUE(found.has_value() && found->has_value()) << static_cast<int>(call);
    EXPECT_TRUE(**found == record_ || **found == next) << static_cast<int>(call);
  }
}

TEST(Uuid, IsWhatItLooksLike) {
  const std::string one = random_uuid();
  EXPECT_TRUE(is_uuid(one));
  EXPECT_EQ(one[14], '4');
  EXPECT_NE(one, random_uuid());
  for (const char* text :
       {"", "x", "00000000-0000-4000-8000-00000000000", "00000000-0000-4000-8000-0000000000000",
        "00000000-0000-4000-8000-00000000000G", "00000000-0000-4000-8000-00000000000A",
        "00000000x0000-4000-8000-000000000000"}) {
    EXPECT_FALSE(is_uuid(text)) << text;
  }
  EXPECT_TRUE(is_uuid("00000000-0000-4000-8000-000000000000"));
}

}  // namespace

}  // namespace brevdue::tests
