#include "bench/disk/disk.h"

#include <future>
#include <thread>

#include <gtest/gtest.h>

#include "bench/disk/control.h"
#include "bench/disk/control_client.h"
#include "bench/disk/control_server.h"
#include "bench/disk/record_reader.h"
#include "tests/disk/memory_medium.h"
#include "tests/support/temporary_directory.h"

namespace brevdue::disk {
namespace {

class DiskTest : public testing::Test {
 protected:
  tests::TemporaryDirectory directory_;
  std::string record_ = directory_.path_of("record");
  MemoryMedium* medium_ = nullptr;
  std::unique_ptr<Disk> disk_;

  void make(Disk::Options options, bool recorded = false) {
    auto medium = std::make_unique<MemoryMedium>(8 * sector_size);
    medium_ = medium.get();
    std::optional<RecordWriter> record;
    if (recorded) record = std::move(RecordWriter::create(record_, medium->size()).value());
    disk_ = std::make_unique<Disk>(std::move(medium), std::move(record), options);
  }
  static Disk::Options forgetful() {
    Disk::Options options;
    options.cache_bytes = 1 << 20;
    return options;
  }
  Result<void> write(std::uint64_t sector, std::string_view letters) {
    return disk_->write(sector * sector_size, sectors(letters), false);
  }
  std::string tell(std::string_view command) { return obey(command, *disk_).line; }
};

TEST_F(DiskTest, PassesThroughAndCounts) {
  make({});
  ASSERT_TRUE(write(1, "ab").has_value());
  ASSERT_TRUE(disk_->flush().has_value());
  std::vector<std::byte> read(512);
  ASSERT_TRUE(disk_->read(1024, read).has_value());
  EXPECT_EQ(read, sectors("b"));
  EXPECT_EQ(medium_->letters(), ".ab.....");
  const auto counters = disk_->counters();
  EXPECT_EQ(counters.writes, 1u);
  EXPECT_EQ(counters.write_bytes, 1024u);
  EXPECT_EQ(counters.reads, 1u);
  EXPECT_EQ(counters.read_bytes, 512u);
  EXPECT_EQ(counters.flushes, 1u);
  EXPECT_EQ(counters.failed, 0u);
  EXPECT_EQ(medium_->syncs, 0);
  EXPECT_TRUE(tell("stats").starts_with("ok state=on reads=1 read_bytes=512 writes=1 "));
}

TEST_F(DiskTest, AFlushSyncsTheImageWhenAsked) {
  Disk::Options options = forgetful();
  options.sync_medium = true;
  make(options);
  ASSERT_TRUE(write(0, "a").has_value());
  EXPECT_EQ(medium_->syncs, 0);
  ASSERT_TRUE(disk_->flush().has_value());
  EXPECT_EQ(medium_->syncs, 1);
  ASSERT_TRUE(disk_->write(0, sectors("b"), true).has_value());
  EXPECT_EQ(medium_->syncs, 2);
}

TEST_F(DiskTest, RefusesWhatADiskCannotDo) {
  make({});
  EXPECT_EQ(disk_->write(100, sectors("a"), false).error().os_error, EINVAL);
  EXPECT_EQ(disk_->write(0, std::vector<std::byte>(100), false).error().os_error, EINVAL);
  EXPECT_EQ(disk_->write(8 * sector_size, sectors("a"), false).error().os_error, ENOSPC);
  EXPECT_EQ(disk_->write(UINT64_MAX - 511, sectors("a"), false).error().os_error, ENOSPC);
  std::vector<std::byte> read(512);
  EXPECT_EQ(disk_->read(8 * sector_size - 256, read).error().os_error, EINVAL);
}

TEST_F(DiskTest, AfterACutNothingWorksAndNothingUnflushedIsThere) {
  make(forgetful());
  ASSERT_TRUE(write(0, "a").has_value());
  ASSERT_TRUE(disk_->flush().has_value());
  ASSERT_TRUE(write(1, "b").has_value());
  EXPECT_EQ(tell("cut"), "ok");
  EXPECT_EQ(write(2, "c").error().os_error, EIO);
  EXPECT_EQ(disk_->flush().error().os_error, EIO);
  std::vector<std::byte> read(512);
  EXPECT_EQ(disk_->read(0, read).error().os_error, EIO);
  EXPECT_EQ(tell("heal"), "ok");
  EXPECT_EQ(disk_->flush().error().os_error, EIO);
  EXPECT_TRUE(disk_->stop().has_value());
  EXPECT_EQ(medium_->letters(), "a.......");
  EXPECT_TRUE(tell("stats").starts_with("ok state=off "));
}

TEST_F(DiskTest, StoppingInOrderKeepsEverything) {
  make(forgetful());
  ASSERT_TRUE(write(1, "b").has_value());
  ASSERT_TRUE(disk_->stop().has_value());
  EXPECT_EQ(medium_->letters(), ".b......");
  EXPECT_EQ(write(2, "c").error().os_error, EIO);
}

// A flush that was being served when the power went must not be reported as done.
TEST_F(DiskTest, ACutDoesNotWaitForAStalledFlushAndFailsIt) {
  make(forgetful(), true);
  ASSERT_TRUE(write(1, "b").has_value());
  ASSERT_EQ(tell("stall 3600000"), "ok");
  auto flush = std::async(std::launch::async, [&] { return disk_->flush(); });
  EXPECT_EQ(tell("cut drop"), "ok");
  EXPECT_EQ(flush.get().error().os_error, EIO);
  EXPECT_EQ(medium_->letters(), "........");
}

TEST_F(DiskTest, ACutWhileASlowFlushIsServedFailsIt) {
  Disk::Options options = forgetful();
  options.cost.flush = std::chrono::milliseconds(300);
  make(options);
  ASSERT_TRUE(write(1, "b").has_value());
  auto flush = std::async(std::launch::async, [&] { return disk_->flush(); });
  ASSERT_TRUE(disk_->cut(PowerCut::drop()).has_value());
  EXPECT_EQ(flush.get().error().os_error, EIO);
  EXPECT_EQ(medium_->letters(), "........");
}

TEST_F(DiskTest, HealEndsAStall) {
  make({});
  ASSERT_EQ(tell("stall 3600000"), "ok");
  auto written = std::async(std::launch::async, [&] { return write(0, "a"); });
  EXPECT_EQ(tell("heal"), "ok");
  EXPECT_TRUE(written.get().has_value());
}

TEST_F(DiskTest, FailsWhatItIsToldToFailAndWritesNothingOfIt) {
  make({}, true);
  EXPECT_EQ(tell("fail write @2 ENOSPC"), "ok");
  EXPECT_TRUE(write(0, "a").has_value());
  EXPECT_EQ(write(1, "b").error().os_error, ENOSPC);
  EXPECT_TRUE(write(2, "c").has_value());
  EXPECT_EQ(medium_->letters(), "a.c.....");
  EXPECT_EQ(tell("fail flush all EIO"), "ok");
  EXPECT_EQ(disk_->flush().error().os_error, EIO);
  EXPECT_EQ(disk_->flush().error().os_error, EIO);
  EXPECT_EQ(tell("heal"), "ok");
  EXPECT_TRUE(disk_->flush().has_value());
  EXPECT_EQ(tell("fail read 1 EIO"), "ok");
  std::vector<std::byte> read(512);
  EXPECT_EQ(disk_->read(0, read).error().os_error, EIO);
  EXPECT_TRUE(disk_->read(0, read).has_value());
  EXPECT_EQ(disk_->counters().failed, 4u);
}

TEST_F(DiskTest, DamagedReadsLeaveTheDiskItselfAlone) {
  make({});
  ASSERT_TRUE(write(0, "ab").has_value());
  EXPECT_EQ(tell("damage 512 512 7"), "ok");
  std::vector<std::byte> read(1024);
  ASSERT_TRUE(disk_->read(0, read).has_value());
  EXPECT_TRUE(std::equal(read.begin(), read.begin() + 512, sectors("a").begin()));
  EXPECT_FALSE(std::equal(read.begin() + 512, read.end(), sectors("b").begin()));
  EXPECT_EQ(tell("heal"), "ok");
  ASSERT_TRUE(disk_->read(0, read).has_value());
  EXPECT_EQ(read, sectors("ab"));
  EXPECT_TRUE(tell("damage 1G 512").starts_with("error beyond the end"));
}

TEST_F(DiskTest, MarksAreOrderedAgainstWritesAndFlushes) {
  make(forgetful(), true);
  ASSERT_TRUE(write(0, "a").has_value());
  EXPECT_EQ(tell("mark  written,  not flushed"), "ok");
  ASSERT_TRUE(disk_->flush().has_value());
  EXPECT_EQ(tell("mark flushed"), "ok");
  ASSERT_EQ(tell("fail flush 1 EIO"), "ok");
  EXPECT_FALSE(disk_->flush().has_value());
  EXPECT_EQ(tell("cut torn 3 4096"), "ok");
  EXPECT_TRUE(tell("mark late").starts_with("error the disk is off"));
  ASSERT_TRUE(disk_->stop().has_value());
  auto reader = RecordReader::open(record_);
  ASSERT_TRUE(reader.has_value());
  std::vector<std::string> events;
  for (auto event = reader->next(); event && event->has_value(); event = reader->next()) {
    events.push_back(std::string(name_of((*event)->type)) + " " + (*event)->text);
  }
  const std::vector<std::string> expected{"write ",
                                          "mark written,  not flushed",
                                          "flush ",
                                          "mark flushed",
                                          "fault flush offset=0 length=0 error=EIO",
                                          "cut torn 3 4096",
                                          "end "};
  EXPECT_EQ(events, expected);
}

TEST_F(DiskTest, AWriteThatCannotBeRecordedFails) {
  auto medium = std::make_unique<MemoryMedium>(8 * sector_size);
  auto record = RecordWriter::create(record_, medium->size(), 1000);
  ASSERT_TRUE(record.has_value());
  disk_ = std::make_unique<Disk>(std::move(medium), std::move(*record), Disk::Options{});
  EXPECT_TRUE(write(0, "a").has_value());
  EXPECT_EQ(write(1, "b").error().os_error, ENOSPC);
  EXPECT_EQ(disk_->flush().error().os_error, ENOSPC);
  EXPECT_TRUE(tell("mark x").starts_with("error "));
}

TEST_F(DiskTest, WrongCommandsGetAnErrorAndChangeNothing) {
  make({});
  for (const auto* wrong :
       {"", "  ", "frob", "stats now", "cut half", "cut torn 1 100", "fail", "fail write 0 EIO",
        "fail write x EIO", "fail write 1 EWHAT", "fail format 1 EIO", "fail write @ EIO", "stall",
        "stall -1", "stall 99999999999", "damage 0", "damage x 1", "quit now", "mark text"}) {
    const Answer answer = obey(wrong, *disk_);
    EXPECT_TRUE(answer.line.starts_with("error ")) << wrong << " -> " << answer.line;
    EXPECT_FALSE(answer.quit) << wrong;
  }
  EXPECT_TRUE(write(0, "a").has_value());
  EXPECT_TRUE(obey("quit", *disk_).quit);
}

TEST_F(DiskTest, TheControlChannelAnswersEachLineAndQuits) {
  make(forgetful(), true);
  const std::string path = directory_.path_of("control");
  auto server = ControlServer::listen(path, *disk_);
  ASSERT_TRUE(server.has_value());
  auto served = std::async(std::launch::async, [&] { return server->run(); });
  auto client = ControlClient::connect(path);
  auto other = ControlClient::connect(path);
  ASSERT_TRUE(client.has_value());
  ASSERT_TRUE(other.has_value());
  EXPECT_EQ(client->request("mark one").value(), "ok");
  EXPECT_TRUE(other->request("stats").value().starts_with("ok state=on"));
  EXPECT_TRUE(client->request("frob").value().starts_with("error unknown command"));
  EXPECT_FALSE(client->request("two\nlines").has_value());
  EXPECT_TRUE(other->request(std::string(2 * longest_line, 'x')).value().starts_with("error"));
  EXPECT_EQ(client->request("quit").value(), "ok");
  EXPECT_TRUE(served.get().has_value());
}

TEST_F(DiskTest, TheControlChannelStopsWhenTold) {
  make({});
  auto server = ControlServer::listen(directory_.path_of("control"), *disk_);
  ASSERT_TRUE(server.has_value());
  auto served = std::async(std::launch::async, [&] { return server->run(); });
  server->stop();
  EXPECT_TRUE(served.get().has_value());
}

TEST_F(DiskTest, ASocketPathThatCannotBeIsRefused) {
  make({});
  const std::string path = directory_.path_of(std::string(200, 'x'));
  EXPECT_EQ(ControlServer::listen(path, *disk_).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(ControlClient::connect(path).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(ControlClient::connect(directory_.path_of("none")).error().code,
            ErrorCode::unavailable);
}

}  // namespace
}  // namespace brevdue::disk
