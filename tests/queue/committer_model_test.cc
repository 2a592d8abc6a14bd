// Random arrivals and landings: whatever the order of events, each group is answered once, whole,
// in order, and every bound holds.
#include <random>

#include <gtest/gtest.h>

#include "tests/queue/committer_rig.h"

namespace brevdue::tests {

namespace {
using namespace std::chrono_literals;

constexpr std::size_t bytes_max = 4096;
constexpr std::size_t count_max = 6;

struct CommitterModel : testing::TestWithParam<std::uint64_t> {
  std::mt19937_64 random{GetParam()};
  unsigned depth = 1 + static_cast<unsigned>(random() % 3);
  CommitterRig rig{
      {.batch_bytes_max = bytes_max, .batch_count_max = count_max, .share_min = 1 + random() % 3},
      depth};
  std::vector<std::vector<mail::QueueId>> groups;
  std::uint64_t next_id = 0;

  void submit() {
    queue::Batch group;
    std::vector<mail::QueueId> ids;
    for (auto left = 1 + random() % 3; left > 0; --left) {
      const std::uint64_t id = ++next_id;
      ids.emplace_back(id);
      switch (random() % 3) {
        case 0:
          group.push_back(CommitterRig::enqueue_of(id, random() % 3000));
          break;
        case 1:
          group.push_back(CommitterRig::settle_of(id));
          break;
        default:
          group.push_back(CommitterRig::discard_of(id));
      }
    }
    groups.push_back(std::move(ids));
    rig.submit(std::move(group));
  }

  void step() {
    switch (random() % 4) {
      case 0:
        if (rig.store.in_flight() > 0) rig.store.complete();
        break;
      case 1:
        rig.loop.advance(std::chrono::microseconds(random() % 4000));
        break;
      default:
        submit();
        if (random() % 2 == 0) rig.loop.run_posted();
    }
  }

  void finish() {
    while (!rig.committer->idle()) {
      rig.loop.advance(10ms);
      if (rig.store.in_flight() > 0) rig.store.complete();
      rig.loop.run_posted();
    }
  }
};

TEST_P(CommitterModel, EveryGroupIsAnsweredOnceWholeAndInOrder) {
  for (int i = 0; i < 400; ++i) step();
  finish();
  EXPECT_LE(rig.store.deepest, depth);
  EXPECT_EQ(rig.times_answered, groups.size());
  EXPECT_TRUE(std::ranges::is_sorted(rig.answered_in_order));
  std::size_t group = 0;
  for (const auto& batch : rig.store.submitted) {
    std::size_t taken = 0;
    std::size_t groups_in = 0;
    for (; taken < batch.size(); ++group, ++groups_in) {
      const auto& ids = groups.at(group);
      ASSERT_LE(taken + ids.size(), batch.size());
      for (const mail::QueueId id : ids) ASSERT_EQ(batch[taken++], id);
      ASSERT_TRUE(rig.answers[group].has_value());
      ASSERT_EQ(rig.answers[group]->size(), ids.size());
      ASSERT_EQ(rig.answers[group]->front().value(), location_number(ids.front().value()));
    }
    if (groups_in > 1) EXPECT_LE(batch.size(), count_max);
  }
  EXPECT_EQ(group, groups.size());
}

INSTANTIATE_TEST_SUITE_P(Seeds, CommitterModel, testing::Range<std::uint64_t>(1, 21));
}  // namespace

}  // namespace brevdue::tests
