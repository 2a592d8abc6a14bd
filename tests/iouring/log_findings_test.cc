#include "backends/iouring/log_findings.h"

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

namespace brevdue::tests {

using namespace backends;

namespace {
mail::Settlement numbered(std::uint32_t sequence, std::uint32_t recipient) {
  mail::Settlement settlement;
  settlement.sequence = sequence;
  settlement.attempts = sequence;
  settlement.results = {{recipient, mail::RecipientStatus::deferred, "451 later"}};
  return settlement;
}

struct Kept {
  std::string body;
  LogRecord record;
};

Kept settlement_record(RecordPlace target, LogOrder order, const mail::Settlement& settlement,
                       bool whole = false) {
  Kept kept{mail::encode(settlement), {}};
  kept.record = {.type = RecordType::settlement, .whole = whole, .target = target, .order = order};
  return kept;
}

void take(LogFindings& findings, Kept& kept) {
  kept.record.first = kept.body;
  ASSERT_TRUE(findings.take(kept.record, {9, kept.record.order.index}));
}
}  // namespace

TEST(LogFindings, SettlementsApplyInTheOrderOfTheLogHoweverFound) {
  const RecordPlace place{3, 9000};
  std::vector<Kept> records;
  mail::DeliveryState model;
  for (std::uint32_t i = 1; i <= 6; ++i) {
    // The third comes too late and is ignored, which depends on the order alone.
    const auto settlement = numbered(i == 3 ? 1 : i, i);
    model.apply(settlement);
    records.push_back(settlement_record(place, {10 + i / 2, i % 2}, settlement));
  }
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    std::ranges::shuffle(records, random);
    LogFindings findings(LogFindings::Replies::kept);
    for (Kept& kept : records) take(findings, kept);
    EXPECT_EQ(findings.state_of(place), model);
  }
}

TEST(LogFindings, AWholeStateReplacesWhatCameBefore) {
  const RecordPlace place{3, 9000};
  mail::DeliveryState whole;
  whole.apply(numbered(1, 0));
  whole.apply(numbered(2, 1));
  mail::DeliveryState model = whole;
  model.apply(numbered(3, 2));
  Kept second = settlement_record(place, {11, 0}, numbered(2, 1));
  Kept merged = settlement_record(place, {20, 0xffffffff}, mail::as_settlement(whole), true);
  Kept third = settlement_record(place, {21, 0}, numbered(3, 2));
  LogFindings findings(LogFindings::Replies::kept);
  // The first settlement is gone with its segment; the second alone would hide the merged state.
  take(findings, third);
  take(findings, second);
  take(findings, merged);
  EXPECT_EQ(findings.state_of(place), model);
}

TEST(LogFindings, RepliesCanBeLeftOut) {
  const RecordPlace place{3, 9000};
  LogFindings findings(LogFindings::Replies::left_out);
  mail::DeliveryState model;
  for (std::uint32_t i = 1; i <= 3; ++i) {
    Kept kept = settlement_record(place, {10, i}, numbered(i, i));
    take(findings, kept);
    mail::Settlement without = numbered(i, i);
    without.results[0].reply.clear();
    model.apply(without);
  }
  EXPECT_EQ(findings.state_of(place), model);
  EXPECT_EQ(findings.latest_settlement(place), (RecordPlace{9, 3}));
  EXPECT_EQ(findings.latest_settlement({3, 9001}), std::nullopt);
}

TEST(LogFindings, DeadByTombstoneOrByOmission) {
  LogFindings findings(LogFindings::Replies::kept);
  EXPECT_FALSE(findings.is_dead({3, 9000}));
  ASSERT_TRUE(findings.take({.type = RecordType::tombstone, .target = {3, 9000}}, {}));
  EXPECT_TRUE(findings.is_dead({3, 9000}));
  EXPECT_FALSE(findings.is_dead({3, 9500}));
  EXPECT_FALSE(findings.is_dead({4, 9000}));
  const std::string first = encode_survivors({9100, 9500, 9600});
  const std::string second = encode_survivors({9500, 9700});
  ASSERT_TRUE(findings.take({.type = RecordType::survivors, .target = {3, 0}, .first = first}, {}));
  EXPECT_FALSE(findings.is_dead({3, 9500}));
  EXPECT_TRUE(findings.is_dead({3, 9700}));
  ASSERT_TRUE(
      findings.take({.type = RecordType::survivors, .target = {3, 0}, .first = second}, {}));
  EXPECT_FALSE(findings.is_dead({3, 9500}));
  EXPECT_TRUE(findings.is_dead({3, 9100}));
  EXPECT_TRUE(findings.is_dead({3, 9700}));
  findings.forget(3);
  EXPECT_FALSE(findings.is_dead({3, 9000}));
}

TEST(LogFindings, NonsenseIsRefused) {
  LogFindings findings(LogFindings::Replies::kept);
  EXPECT_FALSE(findings.take({.type = RecordType::settlement, .target = {3, 1}, .first = "?"}, {}));
  EXPECT_FALSE(findings.take({.type = RecordType::survivors, .target = {3, 0}, .first = ""}, {}));
  EXPECT_FALSE(findings.take({.type = RecordType::message}, {}));
  EXPECT_EQ(findings.state_of({3, 1}), mail::DeliveryState{});
}

}  // namespace brevdue::tests
