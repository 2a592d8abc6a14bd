// What a mirror makes of sides that answer, fail, hang, differ and are missing.
#include "mirror/mirrored_store.h"

#include <atomic>
#include <future>
#include <map>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/queue/faulty_store.h"

namespace brevdue::tests {

namespace {
using namespace std::chrono_literals;
using mirror::MirroredStore;
using mirror::MirrorSide;
using queue::Batch;
using queue::BatchResults;
using queue::Discard;
using queue::Enqueue;
using queue::Location;
using queue::Settle;
using testing::ElementsAre;
using testing::HasSubstr;

// Counts itself away when all of it is gone, wherever that happens.
class CountedStore final : public queue::Store {
 public:
  CountedStore(StoreControl& control, std::atomic<int>& alive) : count_{alive}, store_(control) {
    ++alive;
  }
  Result<void> start() override { return store_.start(); }
  Result<void> recover(queue::RecoverySink& sink) override { return store_.recover(sink); }
  void submit(Batch batch, queue::BatchDone done) override {
    store_.submit(std::move(batch), std::move(done));
  }
  unsigned depth() const override { return store_.depth(); }
  Result<SharedBytes> open(mail::QueueId id, const Location& at) override {
    return store_.open(id, at);
  }
  Result<queue::StoredMessage> look_up(mail::QueueId id, const Location& at) override {
    return store_.look_up(id, at);
  }
  std::uint64_t room() const override { return store_.room(); }

 private:
  struct Count {
    std::atomic<int>& alive;
    ~Count() { --alive; }
  };
  Count count_;
  FaultyStore store_;
};

struct Found final : queue::RecoverySink {
  void message(queue::RecoveredMessage message) override {
    EXPECT_TRUE(messages.emplace(message.id.value(), message).second);
  }
  void quarantined(queue::Quarantined one) override { damage.push_back(one.where); }
  std::map<std::uint64_t, queue::RecoveredMessage> messages;
  std::vector<std::string> damage;
};

mail::QueueId id_of(std::uint64_t number) {
  return mail::QueueId(number);
}
Enqueue message(std::uint64_t number) {
  return {id_of(number), SharedBytes("envelope " + std::to_string(number)),
          SharedBytes("content " + std::to_string(number))};
}
mail::Settlement deferral(std::uint32_t sequence) {
  mail::Settlement settlement;
  settlement.sequence = sequence;
  settlement.attempts = sequence;
  return settlement;
}

class MirroredStoreTest : public testing::Test {
 protected:
  ~MirroredStoreTest() override {
    mirror_.reset();
    // A side that was left ends by itself.
    while (alive_ > 0) std::this_thread::sleep_for(1ms);
  }

  void open(std::chrono::milliseconds stall_max = 60s, bool with_a = true, bool with_b = true) {
    mirror_.reset();
    std::array<MirrorSide, 2> sides;
    for (std::size_t side = 0; side < 2; ++side) {
      sides[side].name = side == 0 ? "a" : "b";
      if (side == 0 ? with_a : with_b) {
        sides[side].store = std::make_unique<CountedStore>(control_[side], alive_);
      }
      sides[side].note_partner_stale = [this, side]() -> Result<void> {
        answers_when_noted_ = answers_.load();
        if (cannot_note_) return fail(ErrorCode::io_failure, "note");
        ++noted_[side];
        return {};
      };
    }
    mirror::MirrorOptions options;
    options.stall_max = stall_max;
    options.notice = [this](mirror::Notice, const std::string& text) {
      const std::lock_guard lock(mutex_);
      notices_ += text + "\n";
    };
    mirror_ = std::make_unique<MirroredStore>(std::move(sides), std::move(options));
    ASSERT_TRUE(mirror_->start());
  }

  std::future<BatchResults> submit(Batch batch) {
    auto promise = std::make_shared<std::promise<BatchResults>>();
    auto future = promise->get_future();
    mirror_->submit(std::move(batch), [this, promise](BatchResults results) {
      ++answers_;
      promise->set_value(std::move(results));
    });
    return future;
  }
  Result<Location> put(std::uint64_t number) { return submit({message(number)}).get()[0]; }
  std::string content(std::uint64_t number, const Location& location) {
    const auto bytes = mirror_->open(id_of(number), location);
    return bytes ? std::string(bytes->view()) : describe(bytes.error());
  }
  Found recover() {
    Found found;
    const auto done = mirror_->recover(found);
    EXPECT_TRUE(done) << describe(done.error());
    return found;
  }
  std::string notices() {
    const std::lock_guard lock(mutex_);
    return notices_;
  }

  std::array<StoreControl, 2> control_;
  StoreControl& a_ = control_[0];
  StoreControl& b_ = control_[1];
  std::atomic<int> alive_ = 0;
  std::atomic<int> answers_ = 0;
  std::atomic<int> answers_when_noted_ = -1;
  std::array<std::atomic<int>, 2> noted_{};
  bool cannot_note_ = false;
  std::mutex mutex_;
  std::string notices_;
  std::unique_ptr<MirroredStore> mirror_;
};

TEST_F(MirroredStoreTest, AnswersOnceBothHaveIt) {
  open();
  b_.holding = true;
  auto answer = submit({message(1)});
  EXPECT_TRUE(a_.contains(1));
  EXPECT_EQ(answer.wait_for(20ms), std::future_status::timeout);
  b_.release();
  ASSERT_TRUE(answer.get()[0]);
  EXPECT_TRUE(b_.contains(1));
  b_.holding = false;
}

TEST_F(MirroredStoreTest, GivesResultsInTheOrderOfSubmission) {
  open();
  a_.holding = b_.holding = true;
  auto first = submit({message(1)});
  auto second = submit({message(2)});
  a_.release();
  a_.release();
  EXPECT_EQ(first.wait_for(10ms), std::future_status::timeout);
  b_.release();
  EXPECT_TRUE(first.get()[0]);
  EXPECT_EQ(second.wait_for(10ms), std::future_status::timeout);
  b_.release();
  EXPECT_TRUE(second.get()[0]);
  a_.holding = b_.holding = false;
}

TEST_F(MirroredStoreTest, SettlesAndDiscardsOnBoth) {
  open();
  const auto location = put(1);
  ASSERT_TRUE(location);
  ASSERT_TRUE(submit({Settle{id_of(1), *location, deferral(1)}}).get()[0]);
  ASSERT_TRUE(submit({Discard{id_of(1), *location}}).get()[0]);
  for (StoreControl* side : {&a_, &b_}) {
    EXPECT_THAT(side->mutations(), ElementsAre("enqueue 1", "settle 1 #1", "discard 1"));
    EXPECT_EQ(side->stale, 0u);
  }
  EXPECT_THAT(content(1, *location), HasSubstr("not found"));
}

TEST_F(MirroredStoreTest, ASideThatFailsIsLeftBeforeTheOtherAnswersAlone) {
  for (const std::size_t side : {0u, 1u}) {
    open();
    answers_ = 0;
    for (auto& count : noted_) count = 0;
    control_[side].fail_next_batch = true;
    const auto location = put(1);
    ASSERT_TRUE(location) << describe(location.error());
    EXPECT_EQ(noted_[1 - side], 1);
    EXPECT_EQ(noted_[side], 0);
    EXPECT_EQ(answers_when_noted_, 0);
    EXPECT_FALSE(mirror_->is_current(side));
    EXPECT_TRUE(mirror_->is_current(1 - side));
    const auto next = put(2);
    ASSERT_TRUE(next);
    EXPECT_EQ(content(1, *location), "content 1");
    EXPECT_EQ(content(2, *next), "content 2");
    EXPECT_FALSE(control_[side].contains(2));
    EXPECT_TRUE(control_[1 - side].contains(2));
    EXPECT_THAT(notices(), HasSubstr("is left: a write or a sync failed"));
    mirror_.reset();
    while (alive_ > 0) std::this_thread::sleep_for(1ms);
    for (StoreControl* control : {&a_, &b_}) control->disk.messages.clear();
  }
}

TEST_F(MirroredStoreTest, WhatTheSurvivorCannotNoteIsNotAcknowledged) {
  open();
  cannot_note_ = true;
  b_.fail_next_batch = true;
  const auto failed = put(1);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::io_failure);
  const auto later = put(2);
  ASSERT_FALSE(later);
  EXPECT_EQ(later.error().code, ErrorCode::unavailable);
  EXPECT_FALSE(mirror_->is_current(0));
  EXPECT_THAT(notices(), HasSubstr("nothing more is acknowledged"));
}

TEST_F(MirroredStoreTest, WhenBothFailNothingIsAcknowledged) {
  open();
  a_.fail_next_batch = b_.fail_next_batch = true;
  EXPECT_FALSE(put(1));
  const auto later = put(2);
  ASSERT_FALSE(later);
  EXPECT_EQ(later.error().code, ErrorCode::unavailable);
}

TEST_F(MirroredStoreTest, WhenTheSurvivorFailsLaterNothingMoreIsAcknowledged) {
  open();
  a_.fail_next_batch = true;
  EXPECT_TRUE(put(1));
  b_.fail_next_batch = true;
  EXPECT_FALSE(put(2));
  EXPECT_FALSE(put(3));
}

TEST_F(MirroredStoreTest, ASideThatHangsIsLeft) {
  open(30ms);
  b_.holding = true;
  const auto location = put(1);
  ASSERT_TRUE(location);
  EXPECT_FALSE(mirror_->is_current(1));
  EXPECT_EQ(noted_[0], 1);
  EXPECT_TRUE(put(2));
  EXPECT_EQ(content(1, *location), "content 1");
  EXPECT_THAT(notices(), HasSubstr("b is left: no answer for 30 ms"));
}

TEST_F(MirroredStoreTest, TheSurvivorMayTakeItsTime) {
  open(20ms);
  a_.holding = true;
  b_.fail_next_batch = true;
  auto answer = submit({message(1)});
  EXPECT_EQ(answer.wait_for(100ms), std::future_status::timeout);
  EXPECT_TRUE(mirror_->is_current(0));
  EXPECT_FALSE(mirror_->is_current(1));
  a_.release();
  EXPECT_TRUE(answer.get()[0]);
  a_.holding = false;
}

TEST_F(MirroredStoreTest, WhenBothHangMailWaits) {
  open(10ms);
  a_.holding = b_.holding = true;
  auto answer = submit({message(1)});
  EXPECT_EQ(answer.wait_for(60ms), std::future_status::timeout);
  EXPECT_TRUE(mirror_->is_current(0) && mirror_->is_current(1));
  a_.release();
  b_.release();
  EXPECT_TRUE(answer.get()[0]);
  a_.holding = b_.holding = false;
}

// The client gets 452, and the side that had room gives it back with the next batch.
TEST_F(MirroredStoreTest, ContentThatOneSideHasNoRoomForIsTakenBackFromTheOther) {
  open();
  b_.disk.room = 5;
  EXPECT_EQ(mirror_->room(), 5u);
  const auto refused = put(1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::storage_full);
  EXPECT_TRUE(mirror_->is_current(0) && mirror_->is_current(1));
  b_.disk.room = UINT64_MAX;
  EXPECT_TRUE(put(2));
  EXPECT_FALSE(a_.contains(1));
  EXPECT_THAT(a_.mutations(), ElementsAre("enqueue 1", "discard 1", "enqueue 2"));
  EXPECT_THAT(b_.mutations(), ElementsAre("enqueue 1", "enqueue 2"));
}

TEST_F(MirroredStoreTest, ReadsTakeTurnsAndFallBack) {
  open();
  const auto location = put(1);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(content(1, *location), "content 1");
  EXPECT_EQ(a_.opened().size(), 2u);
  EXPECT_EQ(b_.opened().size(), 2u);
  a_.damage_contents();
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(content(1, *location), "content 1");
    EXPECT_TRUE(mirror_->look_up(id_of(1), *location));
  }
  EXPECT_THAT(notices(), HasSubstr("mirror: a: "));
  b_.damage_contents();
  EXPECT_FALSE(mirror_->open(id_of(1), *location));
}

TEST_F(MirroredStoreTest, RecoveryMergesWhatTheSidesHave) {
  const auto on_disk = [](StoreControl& side, std::uint64_t number, std::uint32_t sequence) {
    queue::MemoryDisk::Message one{message(number).envelope, message(number).content, {}};
    if (sequence > 0) one.state.apply(deferral(sequence));
    side.disk.messages.emplace(id_of(number), std::move(one));
  };
  on_disk(a_, 1, 0);  // on both, alike
  on_disk(b_, 1, 0);
  on_disk(a_, 2, 1);  // only one of them
  on_disk(b_, 3, 2);
  on_disk(a_, 4, 3);  // on both, one is ahead
  on_disk(b_, 4, 1);
  on_disk(a_, 5, 1);
  on_disk(b_, 5, 2);
  open();
  const Found found = recover();
  ASSERT_EQ(found.messages.size(), 5u);
  const std::map<std::uint64_t, std::uint32_t> wanted{{1, 0}, {2, 1}, {3, 2}, {4, 3}, {5, 2}};
  for (const auto& [number, sequence] : wanted) {
    const auto& one = found.messages.at(number);
    EXPECT_EQ(one.state.sequence, sequence) << number;
    EXPECT_EQ(one.envelope.view(), "envelope " + std::to_string(number));
    for (int turn = 0; turn < 2; ++turn) {
      EXPECT_EQ(content(number, one.location), "content " + std::to_string(number));
    }
    EXPECT_TRUE(submit({Settle{id_of(number), one.location, deferral(sequence + 1)}}).get()[0]);
    EXPECT_TRUE(submit({Discard{id_of(number), one.location}}).get()[0]);
  }
  EXPECT_TRUE(a_.disk.messages.empty());
  EXPECT_TRUE(b_.disk.messages.empty());
  EXPECT_TRUE(mirror_->is_current(0) && mirror_->is_current(1));
  EXPECT_EQ(a_.stale + b_.stale, 0u);
}

TEST_F(MirroredStoreTest, ASideThatCannotBeScannedIsLeft) {
  for (const std::size_t side : {0u, 1u}) {
    for (StoreControl* control : {&a_, &b_}) {
      control->disk.messages.clear();
      control->disk.messages.emplace(
          id_of(1), queue::MemoryDisk::Message{message(1).envelope, message(1).content, {}});
    }
    for (auto& count : noted_) count = 0;
    control_[side].fail_recoveries(1);
    open();
    const Found found = recover();
    ASSERT_EQ(found.messages.size(), 1u);
    EXPECT_FALSE(mirror_->is_current(side));
    EXPECT_EQ(noted_[1 - side], 1);
    EXPECT_EQ(content(1, found.messages.at(1).location), "content 1");
    mirror_.reset();
    while (alive_ > 0) std::this_thread::sleep_for(1ms);
  }
}

TEST_F(MirroredStoreTest, ASideThatCannotBeStartedIsLeft) {
  for (const std::size_t side : {0u, 1u}) {
    for (auto& count : noted_) count = 0;
    control_[side].failing_starts = 1;
    open();
    EXPECT_FALSE(mirror_->is_current(side));
    EXPECT_EQ(noted_[1 - side], 1);
    EXPECT_TRUE(put(side + 1));
    EXPECT_THAT(notices(), HasSubstr("is left: it cannot be started"));
    mirror_.reset();
    while (alive_ > 0) std::this_thread::sleep_for(1ms);
  }
}

TEST_F(MirroredStoreTest, DamageIsReportedWithItsSide) {
  b_.report_damage({"segment 3 at 4096", "checksum"});
  open();
  EXPECT_THAT(recover().damage, ElementsAre("b: segment 3 at 4096"));
}

TEST_F(MirroredStoreTest, OneSideAloneIsAStore) {
  for (const std::size_t side : {0u, 1u}) {
    for (StoreControl* control : {&a_, &b_}) control->disk.messages.clear();
    open(60s, side == 0, side == 1);
    EXPECT_TRUE(recover().messages.empty());
    const auto location = put(1);
    ASSERT_TRUE(location);
    EXPECT_EQ(content(1, *location), "content 1");
    EXPECT_FALSE(control_[1 - side].contains(1));
    EXPECT_TRUE(submit({Discard{id_of(1), *location}}).get()[0]);
    control_[side].fail_next_batch = true;
    EXPECT_FALSE(put(2));
    mirror_.reset();
  }
}

}  // namespace

}  // namespace brevdue::tests
