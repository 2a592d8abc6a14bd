#include <algorithm>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "mail/settlement.h"

namespace brevdue::mail {
namespace {

using namespace std::chrono_literals;

Settlement settlement(std::uint32_t sequence, std::vector<RecipientResult> results) {
  Settlement made;
  made.sequence = sequence;
  made.attempts = sequence;
  made.next_attempt = WallTime(std::chrono::seconds(sequence));
  made.results = std::move(results);
  return made;
}

// A history as delivery makes it: recipients are deferred until they end, and end once.
std::vector<Settlement> random_history(std::mt19937_64& random) {
  std::vector<Settlement> history;
  std::vector<bool> ended(8);
  for (std::uint32_t sequence = 1; sequence <= 12; ++sequence) {
    Settlement made = settlement(sequence, {});
    made.held = random() % 8 == 0;
    made.suspect = static_cast<std::uint32_t>(random() % 3);
    made.delay_notified = random() % 2 == 0;
    for (std::uint32_t recipient = 0; recipient < ended.size(); ++recipient) {
      if (ended[recipient] || random() % 2 == 0) continue;
      const auto status = static_cast<RecipientStatus>(1 + random() % 3);
      ended[recipient] = status != RecipientStatus::deferred;
      made.results.push_back({recipient, status, std::to_string(sequence)});
    }
    std::ranges::shuffle(made.results, random);
    history.push_back(std::move(made));
  }
  return history;
}

TEST(DeliveryState, StartsWithEveryRecipientPending) {
  const DeliveryState state;
  EXPECT_EQ(state.status_of(0), RecipientStatus::pending);
  EXPECT_EQ(state.open_recipients(3), 3u);
}

TEST(DeliveryState, TakesOverWhatASettlementSays) {
  DeliveryState state;
  Settlement change = settlement(1, {{2, RecipientStatus::deferred, "451 4.3.0 later"},
                                     {0, RecipientStatus::relayed, "250 2.0.0 Ok"}});
  change.suspect = 1;
  change.held = true;
  change.delay_notified = true;
  state.apply(change);
  EXPECT_EQ(state.sequence, 1u);
  EXPECT_EQ(state.attempts, 1u);
  EXPECT_EQ(state.suspect, 1u);
  EXPECT_EQ(state.next_attempt, WallTime(1s));
  EXPECT_TRUE(state.held);
  EXPECT_TRUE(state.delay_notified);
  EXPECT_EQ(state.status_of(0), RecipientStatus::relayed);
  EXPECT_EQ(state.status_of(1), RecipientStatus::pending);
  EXPECT_EQ(state.status_of(2), RecipientStatus::deferred);
  EXPECT_EQ(state.open_recipients(3), 2u);
  ASSERT_EQ(state.results.size(), 2u);
  EXPECT_EQ(state.results[0].recipient, 0u);  // in order, whatever the settlement's
}

TEST(DeliveryState, ADeferredRecipientMayChange) {
  DeliveryState state;
  state.apply(settlement(1, {{0, RecipientStatus::deferred, "451 first"}}));
  state.apply(settlement(2, {{0, RecipientStatus::failed, "550 second"}}));
  EXPECT_EQ(state.status_of(0), RecipientStatus::failed);
  EXPECT_EQ(state.results[0].reply, "550 second");
  EXPECT_EQ(state.open_recipients(1), 0u);
}

TEST(DeliveryState, AFinalRecipientStaysFinal) {
  for (const RecipientStatus ended : {RecipientStatus::relayed, RecipientStatus::failed}) {
    DeliveryState state;
    state.apply(settlement(1, {{0, ended, "first"}}));
    state.apply(settlement(2, {{0, RecipientStatus::deferred, "second"}}));
    state.apply(settlement(3, {{0, RecipientStatus::relayed, "third"}}));
    EXPECT_EQ(state.status_of(0), ended);
    EXPECT_EQ(state.results[0].reply, "first");
    EXPECT_EQ(state.sequence, 3u);
  }
}

TEST(DeliveryState, AnOlderSettlementChangesNothing) {
  DeliveryState state;
  state.apply(settlement(5, {{0, RecipientStatus::deferred, "newer"}}));
  const DeliveryState before = state;
  state.apply(settlement(4, {{0, RecipientStatus::failed, "older"}}));
  EXPECT_EQ(state, before);
}

TEST(DeliveryState, NoMoreAreOpenThanThereAre) {
  DeliveryState state;
  state.apply(settlement(1, {{0, RecipientStatus::relayed, ""}, {9, RecipientStatus::failed, ""}}));
  EXPECT_EQ(state.open_recipients(1), 0u);
}

class DeliveryStateHistory : public testing::Test {
 protected:
  std::uint64_t seed = std::random_device{}();
  std::mt19937_64 random{seed};
  testing::ScopedTrace trace{__FILE__, __LINE__, testing::Message() << "seed " << seed};
};

TEST_F(DeliveryStateHistory, MayBeReplayedFromAnyPoint) {
  for (int round = 0; round < 200; ++round) {
    const std::vector<Settlement> history = random_history(random);
    DeliveryState once;
    for (const Settlement& change : history) once.apply(change);
    DeliveryState replayed;
    for (const Settlement& change : history) {
      replayed.apply(change);
      // A log that is read again from somewhere before the end.
      const std::size_t from = random() % history.size();
      for (std::size_t i = from; i < history.size(); ++i) {
        if (history[i].sequence <= change.sequence) replayed.apply(history[i]);
      }
    }
    EXPECT_EQ(replayed, once);
  }
}

TEST_F(DeliveryStateHistory, IsTheSameAsOneSettlement) {
  for (int round = 0; round < 200; ++round) {
    DeliveryState state;
    for (const Settlement& change : random_history(random)) state.apply(change);
    DeliveryState rebuilt;
    rebuilt.apply(as_settlement(state));
    EXPECT_EQ(rebuilt, state);
    EXPECT_EQ(decode_settlement(encode(as_settlement(state))).value(), as_settlement(state));
  }
}

}  // namespace
}  // namespace brevdue::mail
