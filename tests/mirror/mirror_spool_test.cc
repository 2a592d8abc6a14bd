// The two directories of a mirror, from their first start through lost, replaced and returning
// disks. Stores are in memory; what is beside them is on the disk.
#include "mirror/mirror_spool.h"

#include <filesystem>
#include <future>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "queue/id_floor.h"
#include "tests/mirror/threaded_store.h"
#include "tests/support/temporary_directory.h"

namespace brevdue::tests {

namespace {
using namespace std::chrono_literals;
using mirror::MirrorSpool;
using mirror::SideState;
using testing::HasSubstr;

class MirrorSpoolTest : public testing::Test {
 protected:
  ~MirrorSpoolTest() override { close(); }

  mirror::MirrorSpoolOptions options() {
    mirror::MirrorSpoolOptions options;
    options.paths = {a_, b_};
    options.backend = "memory";
    options.backend_version = 1;
    options.store.copy_rate = rate_;
    options.store.notice = [this](mirror::Notice, const std::string& text) {
      const std::lock_guard lock(mutex_);
      notices_ += text + "\n";
    };
    options.make_store = [this](const std::string& spool) -> Result<std::unique_ptr<queue::Store>> {
      ThreadedDisk& disk = disks_[spool == a_ ? 0 : 1];
      // What lies in the directory of the backend is what the disk has.
      if (!std::filesystem::exists(spool + "/memory/there")) {
        const std::lock_guard lock(disk.memory.mutex);
        disk.memory.messages.clear();
        touch(spool + "/memory/there");
      }
      return std::make_unique<ThreadedStore>(disk, 1);
    };
    return options;
  }
  static void touch(const std::string& path) {
    if (!UniqueFd(::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600))) std::abort();
  }

  Result<void> open() {
    close();
    auto spool = MirrorSpool::open(files_, options());
    if (!spool) return std::unexpected(spool.error());
    spool_ = std::move(*spool);
    auto floor = queue::IdFloor::open(files_, spool_, WallTime(1h));
    if (!floor) return std::unexpected(floor.error());
    auto store = spool_->make_store();
    if (!store) return std::unexpected(store.error());
    store_ = std::move(*store);
    if (auto started = store_->start(); !started) return started;
    struct Sink final : queue::RecoverySink {
      void message(queue::RecoveredMessage) override { ++found; }
      void quarantined(queue::Quarantined) override {}
      std::size_t found = 0;
    } sink;
    auto done = store_->recover(sink);
    found_ = sink.found;
    return done;
  }
  void close() {
    store_.reset();
    spool_.reset();
  }
  void put(std::uint64_t number) {
    mail::Envelope envelope;
    envelope.id = mail::QueueId(number);
    envelope.recipients = {{"one@example.net", "", 0}};
    std::promise<queue::BatchResults> promise;
    queue::Batch batch;
    batch.emplace_back(
        queue::Enqueue{envelope.id, SharedBytes(encode(envelope)), SharedBytes("content")});
    store_->submit(std::move(batch),
                   [&](queue::BatchResults results) { promise.set_value(std::move(results)); });
    const auto results = promise.get_future().get();
    ASSERT_TRUE(results[0]) << describe(results[0].error());
  }
  SideState state(std::size_t side) { return spool_->status()[side].state; }
  void await(std::size_t side, SideState wanted) {
    while (state(side) != wanted) std::this_thread::sleep_for(1ms);
  }
  // Returns when nothing of the side is in flight, as an operator would see it.
  Result<void> attach(const std::string& path, bool is_known = false) {
    while (true) {
      auto done = spool_->attach(path, is_known);
      if (done || !done.error().context.ends_with("was asked of it")) return done;
      std::this_thread::sleep_for(1ms);
    }
  }
  std::string record(const std::string& side) { return parent_.read(side + "/mirror"); }
  std::string notices() {
    const std::lock_guard lock(mutex_);
    return notices_;
  }

  RealFileSystem files_;
  TemporaryDirectory parent_;
  const std::string a_ = parent_.path_of("a");
  const std::string b_ = parent_.path_of("b");
  std::array<ThreadedDisk, 2> disks_;
  std::uint64_t rate_ = 0;
  std::mutex mutex_;
  std::string notices_;
  std::shared_ptr<MirrorSpool> spool_;
  std::unique_ptr<queue::Store> store_;
  std::size_t found_ = 0;
};

TEST_F(MirrorSpoolTest, BeginsWithTwoEmptyDirectories) {
  ASSERT_TRUE(open());
  EXPECT_EQ(state(0), SideState::current);
  EXPECT_EQ(state(1), SideState::current);
  EXPECT_EQ(spool_->taking_part().size(), 2u);
  put(1);
  EXPECT_EQ(MirrorSpool::open(files_, options()).error().code, ErrorCode::busy);
  ASSERT_TRUE(open());
  EXPECT_EQ(found_, 1u);
  EXPECT_EQ(parent_.read("a/id-floor"), parent_.read("b/id-floor"));
}

TEST_F(MirrorSpoolTest, OneThatWasLeftIsWrittenAnewAtTheNextStart) {
  ASSERT_TRUE(open());
  put(1);
  ASSERT_TRUE(spool_->detach(b_));
  EXPECT_EQ(spool_->taking_part().size(), 1u);
  put(2);
  parent_.write("a/staged/" + mail::QueueId(7).text(), "large content");
  parent_.write("b/staged/" + mail::QueueId(8).text(), "old content");
  EXPECT_THAT(record("a"), HasSubstr("partner-is stale"));
  EXPECT_EQ(spool_->detach(a_).error().code, ErrorCode::busy);
  ASSERT_TRUE(open());
  EXPECT_EQ(found_, 2u);
  await(1, SideState::current);
  EXPECT_TRUE(disks_[1].contains(mail::QueueId(1)));
  EXPECT_TRUE(disks_[1].contains(mail::QueueId(2)));
  EXPECT_EQ(parent_.read("b/staged/" + mail::QueueId(7).text()), "large content");
  EXPECT_FALSE(parent_.contains("b/staged/" + mail::QueueId(8).text()));
  EXPECT_EQ(parent_.read("a/id-floor"), parent_.read("b/id-floor"));
  EXPECT_THAT(record("a"), HasSubstr("partner-is current"));
  EXPECT_THAT(record("b"), HasSubstr("self-is whole"));
  // Now the other one may go.
  ASSERT_TRUE(spool_->detach(a_));
  put(3);
  close();
  std::filesystem::rename(a_, a_ + ".gone");
  ASSERT_TRUE(open());
  EXPECT_EQ(found_, 3u);
  EXPECT_EQ(state(0), SideState::left);
  EXPECT_FALSE(std::filesystem::exists(a_));
}

TEST_F(MirrorSpoolTest, TheOneThatDiedDoesNotStartAlone) {
  ASSERT_TRUE(open());
  ASSERT_TRUE(spool_->detach(b_));
  put(1);
  close();
  std::filesystem::rename(a_, a_ + ".gone");
  const auto refused = open();
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().context, HasSubstr("attach --force " + b_));
  // The operator takes what it has.
  EXPECT_EQ(mirror::declare_whole(files_, options(), "/elsewhere").error().code,
            ErrorCode::not_found);
  ASSERT_TRUE(mirror::declare_whole(files_, options(), b_));
  ASSERT_TRUE(open());
  EXPECT_EQ(found_, 0u);
  put(2);
  close();
  // The lost one comes back: each went on without the other.
  std::filesystem::rename(a_ + ".gone", a_);
  EXPECT_THAT(open().error().context, HasSubstr("each used without the other"));
  ASSERT_TRUE(mirror::declare_whole(files_, options(), b_));
  ASSERT_TRUE(open());
  await(0, SideState::current);
  EXPECT_TRUE(disks_[0].contains(mail::QueueId(2)));
  EXPECT_FALSE(disks_[0].contains(mail::QueueId(1)));
}

TEST_F(MirrorSpoolTest, ASideGivenUpWhileTheQueueRuns) {
  ASSERT_TRUE(open());
  const auto sides = spool_->taking_part();
  ASSERT_TRUE(spool_->give_up(sides[0], {ErrorCode::io_failure, EIO, "staged"}));
  EXPECT_EQ(state(0), SideState::left);
  EXPECT_THAT(spool_->status()[0].why, HasSubstr("staged"));
  EXPECT_THAT(record("b"), HasSubstr("partner-is stale"));
  EXPECT_TRUE(spool_->give_up(sides[0], {ErrorCode::io_failure, EIO, "staged"}));
  EXPECT_FALSE(spool_->give_up(sides[1], {ErrorCode::io_failure, EIO, "staged"}));
}

TEST_F(MirrorSpoolTest, ASideGivenUpBeforeThereIsAStore) {
  ASSERT_TRUE(open());
  put(1);
  close();
  spool_ = *MirrorSpool::open(files_, options());
  const auto sides = spool_->taking_part();
  ASSERT_EQ(sides.size(), 2u);
  ASSERT_TRUE(spool_->give_up(sides[1], {ErrorCode::io_failure, EIO, "id-floor"}));
  EXPECT_EQ(spool_->taking_part().size(), 1u);
  EXPECT_FALSE(spool_->give_up(sides[0], {ErrorCode::io_failure, EIO, "id-floor"}));
  auto store = spool_->make_store();
  ASSERT_TRUE(store);
  ASSERT_TRUE((*store)->start());
  store_ = std::move(*store);
  EXPECT_EQ(state(1), SideState::left);
  EXPECT_THAT(record("a"), HasSubstr("partner-is stale"));
}

TEST_F(MirrorSpoolTest, ANewDiskIsAttached) {
  ASSERT_TRUE(open());
  put(1);
  EXPECT_EQ(spool_->attach(b_, false).error().code, ErrorCode::busy);
  EXPECT_EQ(spool_->left_side().error().code, ErrorCode::not_found);
  ASSERT_TRUE(spool_->detach(b_));
  EXPECT_EQ(*spool_->left_side(), b_);
  const std::string old = record("b");
  std::filesystem::remove_all(b_);
  // Resync takes no disk that it does not know.
  EXPECT_THAT(attach(b_, true).error().context, HasSubstr("holds no spool"));
  EXPECT_EQ(spool_->attach("/elsewhere", false).error().code, ErrorCode::not_found);
  const auto attached = attach(b_);
  ASSERT_TRUE(attached) << describe(attached.error());
  await(1, SideState::current);
  EXPECT_TRUE(disks_[1].contains(mail::QueueId(1)));
  EXPECT_NE(record("b"), old);
  ASSERT_TRUE(open());
  EXPECT_EQ(state(1), SideState::current);
}

TEST_F(MirrorSpoolTest, OtherMailIsNotWrittenOver) {
  ASSERT_TRUE(open());
  ASSERT_TRUE(spool_->detach(b_));
  std::filesystem::remove(b_ + "/mirror");
  EXPECT_EQ(attach(b_).error().code, ErrorCode::invalid_argument);
  EXPECT_TRUE(parent_.contains("b/memory/there"));
}

TEST_F(MirrorSpoolTest, WhatWasHalfWrittenIsWrittenAnew) {
  rate_ = 1;
  ASSERT_TRUE(open());
  for (std::uint64_t i = 1; i <= 200; ++i) put(i);
  ASSERT_TRUE(spool_->detach(b_));
  ASSERT_TRUE(attach(b_, true));
  while (spool_->status()[1].progress.messages == 0) std::this_thread::sleep_for(1ms);
  EXPECT_EQ(state(1), SideState::behind);
  EXPECT_THAT(record("b"), HasSubstr("self-is incomplete"));
  close();
  EXPECT_EQ(mirror::declare_whole(files_, options(), b_).error().code, ErrorCode::invalid_argument);
  rate_ = 0;
  ASSERT_TRUE(open());
  EXPECT_EQ(found_, 200u);
  await(1, SideState::current);
  EXPECT_TRUE(disks_[1].contains(mail::QueueId(200)));
}

TEST_F(MirrorSpoolTest, ASpoolOfOneBackendBecomesTheFirstSide) {
  {
    const auto alone = queue::SpoolDirectory::open(
        files_, {.path = a_, .backend = "memory", .backend_version = 1});
    ASSERT_TRUE(alone);
    ASSERT_TRUE(options().make_store(a_));
  }
  EXPECT_THAT(open().error().context, HasSubstr("attach --force " + a_));
  ASSERT_TRUE(mirror::declare_whole(files_, options(), a_));
  ASSERT_TRUE(open());
  put(1);
  EXPECT_EQ(state(1), SideState::left);
  EXPECT_THAT(spool_->status()[1].why, HasSubstr("holds no spool"));
  ASSERT_TRUE(attach(b_));
  await(1, SideState::current);
  EXPECT_TRUE(disks_[1].contains(mail::QueueId(1)));
}
}  // namespace

}  // namespace brevdue::tests
