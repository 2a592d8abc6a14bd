// The directory backend under real file systems on a disk that forgets what was not flushed. The
// power is cut right after an answer, when nothing but that batch's own syncs can have made it
// durable, and at any moment.
#include <array>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/disk/mounted_disk.h"
#include "tests/maildir/spool.h"

namespace brevdue::backends {

namespace {
// How many messages are added before the cut, by batches of one, of few, and of many.
constexpr std::array<std::size_t, 3> batch_sizes = {1, 2, 20};

struct Kept {
  TestMessage message;
  std::uint32_t attempts = 0;
};

class MaildirPowerCutRootTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (const auto reason = disk::MountedDisk::why_not(GetParam())) GTEST_SKIP() << *reason;
    disk_.up(GetParam(), "--forgetful");
    std::filesystem::create_directory(disk_.path_of("quarantine"));
    disk::run("sync -f '" + disk_.mount() + "'");
  }

  void start(MaildirSync sync) {
    MaildirStoreOptions options;
    options.path = disk_.path_of("maildir");
    options.quarantine = disk_.path_of("quarantine");
    options.sync = sync;
    store_ = std::make_unique<MaildirStore>(options);
    const auto started = store_->start();
    ASSERT_TRUE(started) << describe(started.error());
  }

  queue::Enqueue fresh() {
    const std::size_t size = random_() % 3 == 0 ? random_() % 100 : random_() % 20'000;
    const TestMessage message = test_message(++last_, size);
    made_[message.id] = message;
    return {message.id, message.envelope, message.content};
  }
  queue::Settle settle(const Kept& kept) {
    mail::Settlement settlement;
    settlement.sequence = settlement.attempts = kept.attempts + 1;
    return {kept.message.id, location_of(kept.message.id), settlement};
  }
  queue::Discard discard(mail::QueueId id) { return {id, location_of(id)}; }
  queue::Location location_of(mail::QueueId id) const { return locations_.at(id); }

  // Whether all of the batch was answered with success; what was is remembered.
  bool apply(const queue::Batch& batch) {
    const auto results = commit(*store_, batch);
    bool all = true;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      all = all && results[i].has_value();
      note(batch[i], results[i]);
    }
    return all;
  }

  // After a cut: the disk is served again, the store made anew and compared with what was answered.
  void recover_and_check(MaildirSync sync) {
    store_.reset();
    disk_.remount();
    start(sync);
    if (HasFatalFailure()) return;
    Found found;
    const auto done = store_->recover(found);
    ASSERT_TRUE(done) << describe(done.error());
    for (auto& [id, kept] : kept_) {
      ASSERT_TRUE(found.messages.contains(id)) << id.text() << " was acknowledged and is lost";
      const auto& state = found.messages.at(id).state;
      ASSERT_GE(state.sequence, kept.attempts) << id.text() << ": a settlement is lost";
      const auto content = store_->open(id, found.messages.at(id).location);
      ASSERT_TRUE(content) << describe(content.error());
      ASSERT_TRUE(content->view() == kept.message.content.view()) << id.text();
      kept.attempts = state.sequence;
    }
    for (const auto& [id, message] : found.messages) {
      ASSERT_FALSE(gone_.contains(id)) << id.text() << " was discarded and came back";
      ASSERT_TRUE(made_.contains(id)) << id.text() << " never was";
      // Attempted and not answered: it may be there, and is from now on.
      kept_.try_emplace(id, Kept{made_.at(id), message.state.sequence});
      locations_[id] = message.location;
    }
  }

  // A random batch; few messages stay.
  queue::Batch any_batch() {
    queue::Batch batch;
    const std::size_t added = random_() % 4 == 0 ? 0 : batch_sizes[random_() % batch_sizes.size()];
    for (std::size_t i = 0; i < added; ++i) batch.push_back(fresh());
    std::size_t touched = 0;
    for (const auto& [id, kept] : kept_) {
      if (touched == 6) break;
      const std::uint64_t kind = random_() % 4;
      if (kind > 1 && kept_.size() < 60) continue;
      if (kind == 0) {
        batch.push_back(settle(kept));
      } else {
        batch.push_back(discard(id));
      }
      ++touched;
    }
    return batch;
  }

  std::string any_cut() {
    const std::uint64_t seed = random_() % 1000;
    switch (random_() % 4) {
      case 0:
        return "drop";
      case 1:
        return fmt::format("subset {}", seed);
      default:
        // btrfs itself does not survive half a superblock: the copies of it miss what fsync added.
        return fmt::format("torn {} {}", seed,
                           random_() % 2 == 0 && GetParam() != "btrfs" ? 512 : 4096);
    }
  }

  disk::MountedDisk disk_;
  std::unique_ptr<MaildirStore> store_;
  std::map<mail::QueueId, Kept> kept_;
  std::map<mail::QueueId, queue::Location> locations_;
  std::map<mail::QueueId, TestMessage> made_;
  std::map<mail::QueueId, TestMessage> gone_;
  const std::uint64_t seed_ = std::random_device()();
  std::mt19937_64 random_{seed_};
  std::uint64_t last_ = 0;

 private:
  void note(const queue::Mutation& mutation, const Result<queue::Location>& result) {
    if (const auto* enqueue = std::get_if<queue::Enqueue>(&mutation)) {
      if (!result) return;
      kept_[enqueue->id] = {made_.at(enqueue->id), 0};
      locations_[enqueue->id] = *result;
    } else if (const auto* settled = std::get_if<queue::Settle>(&mutation)) {
      if (result) ++kept_.at(settled->id).attempts;
    } else {
      const mail::QueueId id = std::get<queue::Discard>(mutation).id;
      if (result) gone_[id] = made_.at(id);
      kept_.erase(id);
    }
  }
};
}  // namespace

// One after the other, and of each as little as possible: a later sync would cover for a missing
// one.
TEST_P(MaildirPowerCutRootTest, WhatWasAnsweredLastSurvives) {
  for (const MaildirSync sync : {MaildirSync::automatic, MaildirSync::fsync}) {
    store_.reset();
    start(sync);
    ASSERT_FALSE(HasFatalFailure());
    ASSERT_TRUE(apply({fresh()}));  // One is there to be discarded.
    for (const std::size_t size : batch_sizes) {
      queue::Batch batch;
      for (std::size_t i = 0; i < size; ++i) batch.push_back(fresh());
      ASSERT_TRUE(apply(batch));
      disk_.cut("drop");
      recover_and_check(sync);
      ASSERT_FALSE(HasFatalFailure()) << "after a batch of " << size;
      ASSERT_TRUE(apply({settle(kept_.rbegin()->second)}));
      disk_.cut("drop");
      recover_and_check(sync);
      ASSERT_FALSE(HasFatalFailure()) << "after a settlement";
      ASSERT_TRUE(apply({discard(kept_.begin()->first)}));
      disk_.cut("drop");
      recover_and_check(sync);
      ASSERT_FALSE(HasFatalFailure()) << "after a discard";
      ASSERT_TRUE(apply({fresh(), discard(kept_.begin()->first)}));
      disk_.cut("drop");
      recover_and_check(sync);
      ASSERT_FALSE(HasFatalFailure()) << "after a message and a discard";
    }
  }
}

// Several lone messages and discards after one another: what one of them leaves unsynced must not
// depend on whether a later sync comes, nor undo it.
TEST_P(MaildirPowerCutRootTest, SomeBatchesInARowSurvive) {
  constexpr int lives = 8;
  start(MaildirSync::automatic);
  ASSERT_FALSE(HasFatalFailure());
  for (int life = 0; life < lives; ++life) {
    for (std::uint64_t i = 0; i < 1 + random_() % 12; ++i) {
      const queue::Batch batch = any_batch();
      if (!batch.empty()) ASSERT_TRUE(apply(batch));
    }
    disk_.cut(any_cut());
    recover_and_check(MaildirSync::automatic);
    ASSERT_FALSE(HasFatalFailure()) << "seed " << seed_;
  }
}

TEST_P(MaildirPowerCutRootTest, WhatWasAnsweredSurvivesACutAtAnyMoment) {
  constexpr int lives = 8;
  start(MaildirSync::automatic);
  ASSERT_FALSE(HasFatalFailure());
  for (int life = 0; life < lives; ++life) {
    std::thread cutter([this, after = random_() % 150, how = any_cut()] {
      std::this_thread::sleep_for(std::chrono::milliseconds(after));
      disk_.cut(how);
    });
    // Until a write or sync fails; each batch has one.
    while (true) {
      queue::Batch batch = any_batch();
      batch.push_back(fresh());
      if (!apply(batch)) break;
    }
    cutter.join();
    recover_and_check(MaildirSync::automatic);
    ASSERT_FALSE(HasFatalFailure()) << "seed " << seed_;
  }
  std::printf("%s: %d cuts, %zu messages, %zu discarded, seed %llu\n", GetParam().c_str(), lives,
              made_.size(), gone_.size(), static_cast<unsigned long long>(seed_));
}

INSTANTIATE_TEST_SUITE_P(FileSystems, MaildirPowerCutRootTest,
                         testing::Values("ext4", "xfs", "btrfs"),
                         [](const auto& fs) { return fs.param; });

}  // namespace brevdue::backends
