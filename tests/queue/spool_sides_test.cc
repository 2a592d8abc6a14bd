// Staged content and the mark of ids on the two sides of a mirror: what is said to be there is on
// each side that was not given up before.
#include <cerrno>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "queue/id_floor.h"
#include "tests/queue/staging_rig.h"

namespace brevdue::tests {

namespace {
using namespace std::chrono_literals;
using queue::SpoolSidePtr;
using testing::ElementsAre;
using testing::IsEmpty;

class TwoSides final : public queue::SpoolSides {
 public:
  std::vector<SpoolSidePtr> taking_part() const override { return part; }
  Result<void> give_up(const SpoolSidePtr& side, const Error& why) override {
    if (std::erase(part, side) == 0) return {};
    if (part.empty()) return std::unexpected(why);
    given_up.push_back(side->path);
    return {};
  }
  std::vector<SpoolSidePtr> part;
  std::vector<std::string> given_up;
};

class SpoolSidesTest : public testing::Test {
 protected:
  SpoolSidesTest() {
    for (const TemporaryDirectory* directory : {&a_, &b_}) {
      sides_->part.push_back(spool_in(files_, directory->path()).value()->taking_part().front());
    }
    all_ = sides_->part;
    staging_ = std::make_unique<queue::Staging>(files_, sides_, loop_);
    if (!staging_->start()) throw std::runtime_error("staging");
    files_.forget_calls();
  }

  Result<void> append(const std::shared_ptr<queue::StagedFile>& file, const std::string& chunk) {
    return wait([&](auto done) { staging_->append(file, SharedBytes(chunk), std::move(done)); });
  }
  Result<void> finish(std::shared_ptr<queue::StagedFile> file) {
    return wait([&](auto done) {
      staging_->finish(std::move(file), StagingRig::facts_of("content!"), std::move(done));
    });
  }
  Result<void> stage(std::uint64_t id) {
    auto file = staging_->open(StagingRig::id(id));
    auto done = append(file, "cont");
    if (done) done = append(file, "ent!");
    if (done) done = finish(file);
    file.reset();
    idle();
    return done;
  }
  Result<std::string> read(std::uint64_t id) {
    std::optional<Result<UniqueFd>> opened;
    staging_->read(StagingRig::id(id), [&](Result<UniqueFd> fd) { opened = std::move(fd); });
    loop_.wait_until([&] { return opened.has_value(); });
    if (!*opened) return std::unexpected((*opened).error());
    std::string text(64, '\0');
    text.resize(read_all(real_files_, (*opened)->get(), text.data(), text.size(), 0).value());
    return text;
  }
  void idle() {
    for (int i = 0; i < 2; ++i) {
      ASSERT_TRUE(
          wait([&](auto done) { staging_->run([] { return Result<void>(); }, std::move(done)); }));
    }
  }
  template <class Begin>
  Result<void> wait(Begin begin) {
    std::optional<Result<void>> result;
    begin([&](Result<void> done) { result = std::move(done); });
    loop_.wait_until([&] { return result.has_value(); });
    return std::move(*result);
  }
  std::vector<std::string> names(const TemporaryDirectory& side) {
    return real_files_.list(side.fd(), ".").value();
  }

  RealFileSystem real_files_;
  FaultyFileSystem files_{real_files_};
  FakeClock clock_;
  FakeLoop loop_{clock_};
  TemporaryDirectory a_;
  TemporaryDirectory b_;
  std::shared_ptr<TwoSides> sides_ = std::make_shared<TwoSides>();
  std::vector<SpoolSidePtr> all_;
  std::unique_ptr<queue::Staging> staging_;
};

TEST_F(SpoolSidesTest, ContentIsOnBoth) {
  ASSERT_TRUE(stage(1));
  for (const TemporaryDirectory* side : {&a_, &b_}) {
    EXPECT_THAT(names(*side), ElementsAre(StagingRig::name(1)));
    EXPECT_EQ(side->read(StagingRig::name(1)), "content!");
  }
  EXPECT_EQ(files_.count(Call::sync), 4u);
  staging_->remove(StagingRig::id(1));
  idle();
  EXPECT_THAT(names(a_), IsEmpty());
  EXPECT_THAT(names(b_), IsEmpty());
}

// Each call failing in turn costs one side, never the file.
TEST_F(SpoolSidesTest, AFaultCostsTheSideNotTheFile) {
  unsigned given_up = 0;
  std::uint64_t id = 0;
  for (const Call call : {Call::open, Call::write, Call::sync, Call::link, Call::rename}) {
    for (std::uint64_t nth = 1;; ++nth) {
      ++id;
      SCOPED_TRACE(std::string(name_of(call)) + " " + std::to_string(nth));
      sides_->part = all_;
      sides_->given_up.clear();
      files_.forget_calls();
      files_.fail(call, nth, EIO);
      ASSERT_TRUE(stage(id));
      const bool reached = files_.count(call) >= nth;
      files_.heal();
      given_up += static_cast<unsigned>(sides_->given_up.size());
      ASSERT_FALSE(sides_->part.empty());
      for (const SpoolSidePtr& side : sides_->part) {
        const TemporaryDirectory& directory = side == all_[0] ? a_ : b_;
        EXPECT_EQ(directory.read(StagingRig::name(id)), "content!");
      }
      EXPECT_EQ(read(id).value(), "content!");
      if (!reached) break;
    }
  }
  // Four writes, four syncs, one link, after which files have names from the start, and two
  // renames. An open that fails is made up for.
  EXPECT_EQ(given_up, 11u);
}

TEST_F(SpoolSidesTest, WithoutASideLeftTheFileHasFailed) {
  sides_->part.pop_back();
  files_.fail(Call::sync, 1, EIO);
  EXPECT_EQ(stage(1).error().code, ErrorCode::io_failure);
  EXPECT_THAT(names(a_), IsEmpty());
}

TEST_F(SpoolSidesTest, NoRoomOnOneSideRefusesTheFile) {
  files_.fail(Call::write, 2, ENOSPC);
  EXPECT_EQ(stage(1).error().code, ErrorCode::storage_full);
  EXPECT_EQ(sides_->part.size(), 2u);
  EXPECT_THAT(names(a_), IsEmpty());
  EXPECT_THAT(names(b_), IsEmpty());
}

TEST_F(SpoolSidesTest, ASideThatComesMeanwhileGetsACopy) {
  sides_->part.pop_back();
  auto file = staging_->open(StagingRig::id(1));
  ASSERT_TRUE(append(file, "content!"));
  sides_->part = all_;
  ASSERT_TRUE(finish(file));
  EXPECT_EQ(a_.read(StagingRig::name(1)), "content!");
  EXPECT_EQ(b_.read(StagingRig::name(1)), "content!");
}

TEST_F(SpoolSidesTest, APartOnASideThatWasLeftMeanwhileDoesNotCount) {
  auto file = staging_->open(StagingRig::id(1));
  ASSERT_TRUE(append(file, "content!"));
  sides_->part.erase(sides_->part.begin());
  ASSERT_TRUE(finish(file));
  EXPECT_EQ(b_.read(StagingRig::name(1)), "content!");
  auto lonely = staging_->open(StagingRig::id(2));
  ASSERT_TRUE(append(lonely, "content!"));
  sides_->part.clear();
  EXPECT_FALSE(finish(lonely));
}

TEST_F(SpoolSidesTest, IsReadFromTheSideThatHasIt) {
  ASSERT_TRUE(stage(1));
  ASSERT_TRUE(real_files_.unlink(a_.fd(), StagingRig::name(1)));
  EXPECT_EQ(read(1).value(), "content!");
  ASSERT_TRUE(real_files_.unlink(b_.fd(), StagingRig::name(1)));
  EXPECT_EQ(read(1).error().code, ErrorCode::not_found);
}

TEST_F(SpoolSidesTest, TheHighestMarkOfIdsCounts) {
  const WallTime noon = std::chrono::sys_days(std::chrono::year(2026) / 11 / 24) + 12h;
  {
    auto floor = queue::IdFloor::open(files_, sides_, noon);
    ASSERT_TRUE(floor);
    EXPECT_EQ(a_.read("id-floor"), b_.read("id-floor"));
    sides_->part.erase(sides_->part.begin());
    ASSERT_TRUE(floor->reserve_to(noon + 1h));
    EXPECT_NE(a_.read("id-floor"), b_.read("id-floor"));
  }
  sides_->part = all_;
  EXPECT_EQ(queue::IdFloor::open(files_, sides_, noon)->floor(), noon + 1h);
}

TEST_F(SpoolSidesTest, WithoutASideNothingIsReserved) {
  auto floor = queue::IdFloor::open(files_, sides_, WallTime(1h));
  ASSERT_TRUE(floor);
  const WallTime before = floor->reserved();
  sides_->part.clear();
  EXPECT_EQ(floor->reserve_to(before + 1h).error().code, ErrorCode::unavailable);
  EXPECT_EQ(floor->reserved(), before);
}

TEST_F(SpoolSidesTest, ASideThatCannotTakeTheMarkIsGivenUp) {
  auto floor = queue::IdFloor::open(files_, sides_, WallTime(1h));
  ASSERT_TRUE(floor);
  files_.fail(Call::sync, 3, EIO);
  ASSERT_TRUE(floor->reserve_to(floor->reserved() + 1h));
  EXPECT_THAT(sides_->given_up, ElementsAre(b_.path()));
  files_.fail(Call::write, 1, EIO);
  EXPECT_EQ(floor->reserve_to(floor->reserved() + 1h).error().code, ErrorCode::io_failure);
}
}  // namespace

}  // namespace brevdue::tests
