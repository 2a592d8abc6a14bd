// What a side lacks is copied to it while mail goes on: a side that joins, what a crash left on one
// side, what is damaged on one. The model is what was acknowledged; once both sides count, each
// disk is compared with it.
#include <future>
#include <map>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mirror/mirrored_store.h"
#include "tests/mirror/threaded_store.h"

namespace brevdue::tests {

namespace {
using namespace std::chrono_literals;
using mirror::MirroredStore;
using mirror::MirrorSide;
using mirror::SideState;
using queue::Batch;
using queue::BatchResults;
using queue::Discard;
using queue::Enqueue;
using queue::Location;
using queue::Settle;
using testing::HasSubstr;

mail::QueueId id_of(std::uint64_t number) {
  return mail::QueueId(number);
}

Enqueue message(std::uint64_t number) {
  mail::Envelope envelope;
  envelope.id = id_of(number);
  envelope.reverse_path = "sender@example.org";
  envelope.recipients = {{"one@example.net", "", 0}, {"two@example.net", "", 0}};
  return {id_of(number), SharedBytes(encode(envelope)),
          SharedBytes("content " + std::to_string(number))};
}

class CopyingTest : public testing::Test {
 protected:
  struct Known {
    Location location;
    mail::DeliveryState state;
  };

  MirrorSide side(std::size_t which, bool is_behind) {
    MirrorSide part{.name = which == 0 ? "a" : "b",
                    .store = std::make_unique<ThreadedStore>(disks_[which], ++seed_),
                    .note_partner_stale = [this, which]() -> Result<void> {
                      stale_[1 - which] = true;
                      return {};
                    },
                    .is_behind = is_behind};
    part.copy_beside = [this](const queue::CopyPace&) -> Result<void> {
      ++copied_beside_;
      if (cannot_copy_beside_) return fail(ErrorCode::io_failure, "staged");
      return {};
    };
    part.note_whole = [this, which]() -> Result<void> {
      if (cannot_note_) return fail(ErrorCode::io_failure, "note");
      stale_[which] = false;
      return {};
    };
    return part;
  }
  void open(std::array<bool, 2> behind = {}) {
    mirror_.reset();
    mirror::MirrorOptions options;
    options.stall_max = 60s;
    options.copy_rate = rate_;
    options.notice = [this](mirror::Notice, const std::string& text) {
      const std::lock_guard lock(mutex_);
      notices_ += text + "\n";
    };
    mirror_ = std::make_unique<MirroredStore>(
        std::array<MirrorSide, 2>{side(0, behind[0]), side(1, behind[1])}, std::move(options));
    ASSERT_TRUE(mirror_->start());
    struct Sink final : queue::RecoverySink {
      explicit Sink(std::map<std::uint64_t, Known>& into) : known(into) {}
      void message(queue::RecoveredMessage one) override {
        known[one.id.value()] = {one.location, one.state};
      }
      void quarantined(queue::Quarantined) override {}
      std::map<std::uint64_t, Known>& known;
    } sink(known_);
    known_.clear();
    ASSERT_TRUE(mirror_->recover(sink));
  }
  BatchResults commit(Batch batch) {
    std::promise<BatchResults> promise;
    mirror_->submit(std::move(batch),
                    [&](BatchResults results) { promise.set_value(std::move(results)); });
    return promise.get_future().get();
  }
  void put(std::uint64_t number) {
    auto results = commit({message(number)});
    ASSERT_TRUE(results[0]) << describe(results[0].error());
    known_[number] = {*results[0], {}};
  }
  static mail::Settlement deferral(const Known& known, std::uint32_t recipient) {
    mail::Settlement settlement;
    settlement.sequence = known.state.sequence + 1;
    settlement.attempts = known.state.attempts + 1;
    settlement.results = {
        {recipient, mail::RecipientStatus::deferred, "451 " + std::to_string(settlement.sequence)}};
    return settlement;
  }
  void leave(std::size_t which) {
    ASSERT_TRUE(mirror_->handle().leave(which, "pulled"));
    while (!mirror_->handle().may_join(which)) std::this_thread::sleep_for(1ms);
    const std::lock_guard lock(disks_[which].memory.mutex);
    disks_[which].memory.messages.clear();
  }
  void join(std::size_t which) {
    auto part = side(which, true);
    ASSERT_TRUE(part.store->start());
    const auto done = mirror_->handle().join(which, std::move(part));
    ASSERT_TRUE(done) << describe(done.error());
  }
  SideState await(std::size_t which) {
    while (mirror_->handle().state_of(which) == SideState::behind) {
      std::this_thread::sleep_for(1ms);
    }
    return mirror_->handle().state_of(which);
  }
  // A change at random of some messages, as one batch; what is acknowledged changes the model.
  void change_some(std::mt19937& random) {
    Batch batch;
    std::vector<std::pair<std::uint64_t, Known>> after;
    for (auto i = 1 + random() % 6; i > 0; --i) {
      const auto kind = static_cast<unsigned>(random() % 8);
      if (known_.empty() || kind < 3) {
        batch.emplace_back(message(++last_));
        after.emplace_back(last_, Known());
        continue;
      }
      const auto at =
          std::next(known_.begin(), static_cast<std::ptrdiff_t>(random() % known_.size()));
      auto [number, known] = *at;
      known_.erase(at);
      if (kind < 5) {
        batch.emplace_back(Discard{id_of(number), known.location});
        continue;
      }
      const auto settlement = deferral(known, static_cast<std::uint32_t>(random() % 2));
      known.state.apply(settlement);
      batch.emplace_back(Settle{id_of(number), known.location, settlement});
      after.emplace_back(number, known);
    }
    const auto kinds = batch;
    const auto results = commit(std::move(batch));
    auto changed = after.begin();
    for (std::size_t i = 0; i < results.size(); ++i) {
      ASSERT_TRUE(results[i]) << describe(results[i].error());
      if (std::holds_alternative<Discard>(kinds[i])) continue;
      changed->second.location = *results[i];
      known_[changed->first] = changed->second;
      ++changed;
    }
  }
  void expect_whole(std::size_t which) {
    const std::lock_guard lock(disks_[which].memory.mutex);
    const auto& messages = disks_[which].memory.messages;
    EXPECT_EQ(messages.size(), known_.size());
    for (const auto& [number, known] : known_) {
      const auto at = messages.find(id_of(number));
      ASSERT_NE(at, messages.end()) << number << " is not on side " << which;
      EXPECT_EQ(at->second.content.view(), "content " + std::to_string(number));
      EXPECT_EQ(at->second.state, known.state) << number;
    }
    EXPECT_EQ(disks_[which].stale, 0u);
    EXPECT_EQ(disks_[which].duplicates, 0u);
  }
  std::string notices() {
    const std::lock_guard lock(mutex_);
    return notices_;
  }

  std::array<ThreadedDisk, 2> disks_;
  std::array<std::atomic<bool>, 2> stale_{};
  std::atomic<unsigned> copied_beside_ = 0;
  bool cannot_copy_beside_ = false;
  bool cannot_note_ = false;
  std::uint64_t rate_ = 0;
  unsigned seed_ = 1;
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, Known> known_;
  std::mutex mutex_;
  std::string notices_;
  std::unique_ptr<MirroredStore> mirror_;
};

TEST_F(CopyingTest, ASideThatJoinsGetsEverything) {
  open();
  for (std::uint64_t i = 1; i <= 300; ++i) put(i);
  const auto settlement = deferral(known_[7], 1);
  ASSERT_TRUE(commit({Settle{id_of(7), known_[7].location, settlement}})[0]);
  known_[7].state.apply(settlement);
  leave(1);
  EXPECT_TRUE(stale_[1]);
  for (std::uint64_t i = 301; i <= 400; ++i) put(i);
  join(1);
  EXPECT_EQ(await(1), SideState::current);
  EXPECT_FALSE(stale_[1]);
  EXPECT_EQ(copied_beside_, 1u);
  expect_whole(0);
  expect_whole(1);
  EXPECT_THAT(notices(), HasSubstr("b has everything again: 400 messages"));
}

TEST_F(CopyingTest, ASideThatIsBehindAtTheStartGetsEverything) {
  open();
  for (std::uint64_t i = 1; i <= 100; ++i) put(i);
  leave(0);
  open({true, false});
  ASSERT_EQ(known_.size(), 100u);
  EXPECT_EQ(await(0), SideState::current);
  expect_whole(0);
}

TEST_F(CopyingTest, WhileMailGoesOnNothingIsMissed) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  open();
  for (unsigned round = 0; round < 12; ++round) {
    const std::size_t which = random() % 2;
    for (unsigned i = 0; i < 60; ++i) change_some(random);
    leave(which);
    for (unsigned i = 0; i < 20; ++i) change_some(random);
    join(which);
    while (mirror_->handle().state_of(which) == SideState::behind) change_some(random);
    ASSERT_EQ(mirror_->handle().state_of(which), SideState::current) << notices();
    for (unsigned i = 0; i < 5; ++i) change_some(random);
    ASSERT_NO_FATAL_FAILURE(expect_whole(0));
    ASSERT_NO_FATAL_FAILURE(expect_whole(1));
  }
}

TEST_F(CopyingTest, WhatACrashLeftOnOneSideIsCopied) {
  open();
  for (std::uint64_t i = 1; i <= 50; ++i) put(i);
  mirror_.reset();
  for (std::uint64_t i = 1; i <= 50; i += 2) disks_[i % 4 / 2].memory.messages.erase(id_of(i));
  // Of two states the more advanced one counts, on both sides.
  const auto settlement = deferral(known_[2], 0);
  disks_[1].memory.messages.at(id_of(2)).state.apply(settlement);
  disks_[0].memory.messages.at(id_of(4)).state.apply(settlement);
  open();
  ASSERT_EQ(known_.size(), 50u);
  EXPECT_EQ(known_[2].state.sequence, 1u);
  EXPECT_EQ(known_[4].state.sequence, 1u);
  const auto all_there = [&] {
    std::size_t count = 0;
    for (ThreadedDisk& disk : disks_) {
      const std::lock_guard lock(disk.memory.mutex);
      count += disk.memory.messages.size();
      count += disk.memory.messages.at(id_of(2)).state.sequence;
      count += disk.memory.messages.at(id_of(4)).state.sequence;
    }
    return count == 104;
  };
  while (!all_there()) std::this_thread::sleep_for(1ms);
  mirror_.reset();
  expect_whole(0);
  expect_whole(1);
}

// Also what lies in a sector that cannot be read.
TEST_F(CopyingTest, WhatIsDamagedOnOneSideIsWrittenThereAgain) {
  for (const ErrorCode how : {ErrorCode::corrupt, ErrorCode::io_failure}) {
    open();
    for (std::uint64_t i = 1; i <= 3; ++i) put(++last_);
    disks_[1].damage = how;
    disks_[1].damaged = last_;
    for (int turn = 0; turn < 4; ++turn) {
      EXPECT_EQ(mirror_->open(id_of(last_), known_[last_].location)->view(),
                "content " + std::to_string(last_));
    }
    while (disks_[1].damaged != 0) std::this_thread::sleep_for(1ms);
    mirror_.reset();
    expect_whole(1);
  }
  EXPECT_THAT(notices(), HasSubstr("is damaged on b, and written there again from a"));
}

TEST_F(CopyingTest, ASideThatFailsWhileItIsBehindCostsNothing) {
  open();
  for (std::uint64_t i = 1; i <= 20; ++i) put(i);
  leave(1);
  disks_[1].failing = true;
  join(1);
  EXPECT_EQ(await(1), SideState::left);
  put(21);
  expect_whole(0);
  EXPECT_TRUE(stale_[1]);
  disks_[1].failing = false;
  while (!mirror_->handle().may_join(1)) std::this_thread::sleep_for(1ms);
  join(1);
  EXPECT_EQ(await(1), SideState::current);
  expect_whole(1);
}

TEST_F(CopyingTest, AStateIsTakenFromTheSideThatHasAllOfIt) {
  open();
  put(1);
  const auto settlement = deferral(known_[1], 1);
  ASSERT_TRUE(commit({Settle{id_of(1), known_[1].location, settlement}})[0]);
  known_[1].state.apply(settlement);
  for (const std::size_t side : {0u, 1u}) {
    disks_[side].older = 1;
    for (int turn = 0; turn < 4; ++turn) {
      const auto stored = mirror_->look_up(id_of(1), known_[1].location);
      ASSERT_TRUE(stored);
      EXPECT_EQ(stored->state, known_[1].state);
      EXPECT_FALSE(stored->state_is_older);
    }
    EXPECT_THAT(notices(), HasSubstr("a settlement is damaged"));
    disks_[side].older = 0;
    ASSERT_TRUE(mirror_->handle().wait_until_copied(60s));
  }
  disks_[0].older = disks_[1].older = 1;
  EXPECT_TRUE(mirror_->look_up(id_of(1), known_[1].location)->state_is_older);
}

// A state that it did not take is no state that it has.
TEST_F(CopyingTest, ASideThatRefusesAStateIsLeftAgain) {
  open();
  put(1);
  const auto settlement = deferral(known_[1], 1);
  ASSERT_TRUE(commit({Settle{id_of(1), known_[1].location, settlement}})[0]);
  known_[1].state.apply(settlement);
  leave(1);
  disks_[1].refusing_settles = true;
  join(1);
  EXPECT_EQ(await(1), SideState::left);
  EXPECT_TRUE(stale_[1]);
  expect_whole(0);
}

// It is said once, and not looked for for ever.
TEST_F(CopyingTest, WhatTheOtherSideDoesNotFindAnyMoreIsGivenUp) {
  open();
  for (std::uint64_t i = 1; i <= 3; ++i) put(i);
  leave(1);
  {
    const std::lock_guard lock(disks_[0].memory.mutex);
    disks_[0].memory.messages.erase(id_of(2));
  }
  join(1);
  EXPECT_EQ(await(1), SideState::current);
  EXPECT_THAT(notices(), HasSubstr("cannot be copied to b"));
  known_.erase(2);
  expect_whole(1);
}

TEST_F(CopyingTest, ASideThatCannotBeReadMakesNoOtherOneWhole) {
  open();
  for (std::uint64_t i = 1; i <= 3; ++i) put(i);
  leave(1);
  disks_[0].damage = ErrorCode::io_failure;
  disks_[0].damaged = 2;
  join(1);
  EXPECT_EQ(await(1), SideState::left);
  EXPECT_TRUE(stale_[1]);
}

TEST_F(CopyingTest, ASideThatHasNoRoomIsLeftAgain) {
  open();
  for (std::uint64_t i = 1; i <= 20; ++i) put(i);
  leave(1);
  disks_[1].memory.room = 500;
  join(1);
  EXPECT_EQ(await(1), SideState::left);
  put(21);
  expect_whole(0);
}

// It alone does not have everything: nothing may be acknowledged without the other one.
TEST_F(CopyingTest, ASideThatIsBehindCannotStandAlone) {
  rate_ = 1;
  open();
  for (std::uint64_t i = 1; i <= 200; ++i) put(i);
  leave(1);
  join(1);
  disks_[0].failing = true;
  const auto failed = commit({message(201)});
  ASSERT_FALSE(failed[0]);
  EXPECT_EQ(failed[0].error().code, ErrorCode::io_failure);
  EXPECT_TRUE(stale_[1]);
  EXPECT_FALSE(stale_[0]);
  EXPECT_THAT(notices(), HasSubstr("no side is left"));
}

TEST_F(CopyingTest, WhatCannotBeNotedIsNotWhole) {
  open();
  put(1);
  for (bool* const fault : {&cannot_note_, &cannot_copy_beside_}) {
    leave(1);
    *fault = true;
    join(1);
    EXPECT_EQ(await(1), SideState::left);
    EXPECT_TRUE(stale_[1]);
    put(++last_ + 100);
    *fault = false;
  }
}

TEST_F(CopyingTest, KeepsToTheRateAndStopsAtOnce) {
  rate_ = 1;
  open();
  for (std::uint64_t i = 1; i <= 200; ++i) put(i);
  leave(1);
  join(1);
  while (mirror_->handle().progress_of(1).messages == 0) std::this_thread::sleep_for(1ms);
  const auto progress = mirror_->handle().progress_of(1);
  EXPECT_LT(progress.messages, 200u);
  EXPECT_EQ(progress.messages + progress.messages_left, 200u);
  EXPECT_GT(progress.bytes, 0u);
  mirror_.reset();
  expect_whole(0);
}

TEST_F(CopyingTest, WhoTakesPartCannotJoin) {
  open();
  EXPECT_FALSE(mirror_->handle().may_join(1));
  EXPECT_EQ(mirror_->handle().join(1, side(1, true)).error().code, ErrorCode::busy);
}
}  // namespace

}  // namespace brevdue::tests
