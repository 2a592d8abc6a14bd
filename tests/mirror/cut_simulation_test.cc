// Many lives of a mirror whose power is cut at any moment: what is in flight on each side is there
// in part, whatever the other side has of it. Sides are taken out and put in meanwhile. After each
// cut what was acknowledged is there, with the state that was acknowledged or a later one; what was
// removed for good is not; nothing else is. What a cut left of something that was never answered,
// or was being removed, is shown, and may be lost with the side that has it.
//
// The stores are in memory, the sides' records in real files. BREVDUE_CUTS is how many cuts.
#include <cstdlib>
#include <filesystem>
#include <future>
#include <map>
#include <random>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mirror/mirror_spool.h"
#include "tests/mirror/cut_store.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/temporary_directory.h"

namespace brevdue::tests {

namespace {
using mirror::MirrorSpool;
using mirror::SideState;
using queue::Discard;
using queue::Enqueue;
using queue::Location;
using queue::Settle;

unsigned cuts_wanted() {
  const char* text = std::getenv("BREVDUE_CUTS");
  return text == nullptr ? 200 : static_cast<unsigned>(std::strtoul(text, nullptr, 10));
}

mail::QueueId id_of(std::uint64_t number) {
  return mail::QueueId(number);
}

Enqueue message(std::uint64_t number) {
  mail::Envelope envelope;
  envelope.id = id_of(number);
  envelope.recipients = {{"one@example.net", "", 0}};
  return {id_of(number), SharedBytes(encode(envelope)),
          SharedBytes("content " + std::to_string(number))};
}

// What is known of a message by what was asked and answered.
struct Known {
  Location location;
  std::uint32_t asked = 0;         // the last settlement that was asked for
  std::uint32_t acknowledged = 0;  // the last that was answered
  bool must_be_there = false;      // its Enqueue was answered, and no Discard was ever asked for
  bool is_at_rest = false;         // it is there, and nothing was asked of it that was not answered
};

class Lives {
 public:
  explicit Lives(unsigned seed) : random_(seed) {}
  ~Lives() { stop(); }

  void live_once() {
    start();
    if (testing::Test::HasFatalFailure()) return;
    for (auto steps = 1 + random_() % 12; steps > 0; --steps) {
      if (random_() % 16 == 0) disturb();
      submit();
    }
    cut();
  }
  unsigned joined() const { return joined_; }
  unsigned refused() const { return refused_; }
  std::size_t acknowledged() const { return acknowledged_; }

 private:
  void start();
  void stop();
  void compare();
  void disturb();
  void submit();
  void cut();
  Result<std::unique_ptr<queue::Store>> make_store(const std::string& spool);

  std::mt19937 random_;
  RealFileSystem real_files_;
  TemporaryDirectory parent_;
  const std::array<std::string, 2> paths_{parent_.path_of("a"), parent_.path_of("b")};
  std::array<CutDisk, 2> disks_;
  std::unique_ptr<FaultyFileSystem> files_;
  std::shared_ptr<MirrorSpool> spool_;
  std::unique_ptr<queue::Store> store_;
  std::mutex mutex_;  // of what follows: answers come from threads of the mirror
  std::map<std::uint64_t, Known> known_;
  std::set<std::uint64_t> removed_;
  std::vector<queue::RecoveredMessage> found_;
  std::uint64_t last_ = 0;
  unsigned joined_ = 0;
  unsigned refused_ = 0;
  std::size_t acknowledged_ = 0;
  std::string notices_;
};

Result<std::unique_ptr<queue::Store>> Lives::make_store(const std::string& spool) {
  CutDisk& disk = disks_[spool == paths_[0] ? 0 : 1];
  // What lies in the directory of the backend is what the disk has.
  const std::string sign = spool + "/memory/there";
  if (!std::filesystem::exists(sign)) {
    disk.clear();
    if (!files_->open(AT_FDCWD, sign, O_CREAT | O_WRONLY, 0600)) {
      return fail(ErrorCode::io_failure, sign);
    }
  }
  return std::make_unique<CutStore>(disk, static_cast<unsigned>(random_()));
}

void Lives::start() {
  files_ = std::make_unique<FaultyFileSystem>(real_files_);
  for (CutDisk& disk : disks_) disk.power_on();
  mirror::MirrorSpoolOptions options;
  options.paths = paths_;
  options.backend = "memory";
  options.backend_version = 1;
  options.store.stall_max = std::chrono::seconds(60);
  options.store.notice = [this](mirror::Notice, const std::string& text) {
    const std::lock_guard lock(mutex_);
    notices_ += text + "\n";
  };
  options.make_store = [this](const std::string& spool) { return make_store(spool); };
  auto spool = MirrorSpool::open(*files_, options);
  // A thread that closes the lock of a side that was left may not have ended with its process.
  while (!spool && spool.error().code == ErrorCode::busy) {
    std::this_thread::sleep_for(std::chrono::microseconds(100));
    spool = MirrorSpool::open(*files_, options);
  }
  ASSERT_TRUE(spool) << describe(spool.error()) << notices_;
  spool_ = std::move(*spool);
  auto store = spool_->make_store();
  ASSERT_TRUE(store) << describe(store.error());
  store_ = std::move(*store);
  ASSERT_TRUE(store_->start());
  struct Sink final : queue::RecoverySink {
    explicit Sink(std::vector<queue::RecoveredMessage>& into) : found(into) {}
    void message(queue::RecoveredMessage one) override { found.push_back(std::move(one)); }
    void quarantined(queue::Quarantined) override {}
    std::vector<queue::RecoveredMessage>& found;
  };
  found_.clear();
  Sink sink(found_);
  ASSERT_TRUE(store_->recover(sink));
  compare();
}

void Lives::compare() {
  const std::lock_guard lock(mutex_);
  std::map<std::uint64_t, Known> present;
  for (const queue::RecoveredMessage& one : found_) {
    const std::uint64_t number = one.id.value();
    ASSERT_FALSE(removed_.contains(number)) << number << " came back\n" << notices_;
    const auto known = known_.find(number);
    ASSERT_NE(known, known_.end()) << number << " was never asked for";
    EXPECT_GE(one.state.sequence, known->second.acknowledged) << number << "\n" << notices_;
    EXPECT_LE(one.state.sequence, known->second.asked) << number;
    auto content = store_->open(one.id, one.location);
    ASSERT_TRUE(content) << describe(content.error());
    EXPECT_EQ(content->view(), "content " + std::to_string(number));
    Known after = known->second;
    after.location = one.location;
    after.asked = one.state.sequence;
    after.is_at_rest = true;
    ASSERT_TRUE(present.emplace(number, after).second);
  }
  for (const auto& [number, known] : known_) {
    if (present.contains(number)) continue;
    EXPECT_FALSE(known.must_be_there) << number << " is lost\n" << notices_;
    removed_.insert(number);
  }
  known_ = std::move(present);
}

// A side is taken out, or put in again where one is.
void Lives::disturb() {
  const auto status = spool_->status();
  for (std::size_t side = 0; side < 2; ++side) {
    if (status[side].state != SideState::left) continue;
    const auto attached = spool_->attach(paths_[side], false);
    attached ? ++joined_ : ++refused_;
    return;
  }
  static_cast<void>(spool_->detach(paths_[random_() % 2]));
}

void Lives::submit() {
  queue::Batch batch;
  std::vector<std::pair<std::uint64_t, std::uint32_t>> asked;  // message, settlement or discard (0)
  constexpr std::uint32_t enqueue = UINT32_MAX;
  {
    const std::lock_guard lock(mutex_);
    for (auto count = 1 + random_() % 4; count > 0; --count) {
      const auto kind = random_() % 6;
      if (kind < 2 || known_.empty()) {
        batch.emplace_back(message(++last_));
        known_[last_] = {};
        asked.emplace_back(last_, enqueue);
        continue;
      }
      const auto at =
          std::next(known_.begin(), static_cast<std::ptrdiff_t>(random_() % known_.size()));
      Known& known = at->second;
      // One change of a message at a time: its place is not known before.
      if (!std::exchange(known.is_at_rest, false)) continue;
      if (kind == 2) {
        known.must_be_there = false;
        batch.emplace_back(Discard{id_of(at->first), known.location});
        asked.emplace_back(at->first, 0);
        continue;
      }
      mail::Settlement settlement;
      settlement.sequence = settlement.attempts = ++known.asked;
      batch.emplace_back(Settle{id_of(at->first), known.location, settlement});
      asked.emplace_back(at->first, settlement.sequence);
    }
  }
  if (batch.empty()) return;
  store_->submit(std::move(batch), [this, asked](queue::BatchResults results) {
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < asked.size(); ++i) {
      if (!results[i]) continue;
      ++acknowledged_;
      const auto& [number, change] = asked[i];
      if (change == 0) {
        known_.erase(number);
        removed_.insert(number);
        continue;
      }
      Known& known = known_[number];
      known.location = *results[i];
      known.is_at_rest = true;
      if (change == enqueue) {
        known.must_be_there = true;
      } else {
        known.acknowledged = change;
      }
    }
  });
  if (random_() % 4 == 0) std::this_thread::sleep_for(std::chrono::microseconds(random_() % 300));
}

void Lives::cut() {
  std::this_thread::sleep_for(std::chrono::microseconds(random_() % 400));
  for (const Call call : {Call::open, Call::write, Call::sync, Call::rename, Call::unlink,
                          Call::truncate, Call::make_directory}) {
    files_->fail(call, 1, EIO, Lasting::always);
  }
  for (CutDisk& disk : disks_) disk.cut(static_cast<unsigned>(random_()));
  stop();
}

void Lives::stop() {
  store_.reset();
  spool_.reset();
}

TEST(MirrorCuts, NothingThatWasAcknowledgedIsLost) {
  const unsigned seed = std::random_device{}();
  const unsigned wanted = cuts_wanted();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Lives lives(seed);
  for (unsigned i = 0; i < wanted; ++i) {
    lives.live_once();
    if (testing::Test::HasFailure()) FAIL() << "in life " << i;
  }
  EXPECT_GT(lives.acknowledged(), wanted);
  if (wanted >= 1000) EXPECT_GT(lives.joined(), 0u);
  std::printf("%u cuts, %zu changes acknowledged, %u times a side was put in\n", wanted,
              lives.acknowledged(), lives.joined());
}
}  // namespace

}  // namespace brevdue::tests
