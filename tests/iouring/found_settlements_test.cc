#include "backends/iouring/found_settlements.h"

#include <algorithm>
#include <random>
#include <string>

#include <gtest/gtest.h>

namespace brevdue::tests {

using namespace backends;

namespace {
std::vector<std::string> bodies(const FoundSettlements& settlements, std::uint32_t message) {
  std::vector<std::string> found;
  for (const auto& one : settlements.of(message)) found.emplace_back(one.body);
  return found;
}
}  // namespace

TEST(FoundSettlements, ComeInTheOrderOfTheLogFromTheLastWholeOneOn) {
  FoundSettlements settlements;
  settlements.add({500, {12, 1}, {4, 40}, false, "later"});
  settlements.add({500, {12, 0}, {4, 30}, true, "whole"});
  settlements.add({500, {11, 9}, {4, 20}, false, "before it"});
  settlements.add({500, {10, 0}, {3, 10}, true, "an older whole one"});
  settlements.add({400, {13, 0}, {4, 50}, false, "of another"});
  EXPECT_EQ(bodies(settlements, 500), (std::vector<std::string>{"whole", "later"}));
  EXPECT_EQ(settlements.of(500).back().at, (RecordPlace{4, 40}));
  EXPECT_EQ(bodies(settlements, 400), std::vector<std::string>{"of another"});
  EXPECT_TRUE(settlements.of(450).empty());
  settlements.add({450, {14, 0}, {4, 60}, false, "found after a question"});
  EXPECT_EQ(bodies(settlements, 450), std::vector<std::string>{"found after a question"});
}

// Twenty whole settlements of each message, found in any order: what is kept stays what the last
// ones take.
TEST(FoundSettlements, SuperfluousOnesTakeNoMemory) {
  constexpr std::uint32_t messages = 20'000;
  constexpr std::uint32_t rounds = 20;
  std::vector<std::uint32_t> order;
  for (std::uint32_t i = 0; i < messages * rounds; ++i) order.push_back(i);
  std::ranges::shuffle(order, std::mt19937(3));
  FoundSettlements settlements;
  std::size_t most = 0;
  const std::string body(18, 'b');
  for (const std::uint32_t i : order) {
    const std::uint32_t round = i / messages;
    const std::string own = body + std::to_string(round);
    settlements.add({i % messages * 700, {round + 1000, i}, {round + 1, i}, true, own});
    most = std::max(most, settlements.memory());
  }
  EXPECT_LT(most, 110u * messages);
  for (std::uint32_t message = 0; message < messages; ++message) {
    const auto found = settlements.of(message * 700);
    ASSERT_EQ(found.size(), 1u);
    ASSERT_EQ(found[0].at, (RecordPlace{rounds, (rounds - 1) * messages + message}));
    ASSERT_EQ(found[0].body, body + "19");
  }
}

TEST(FoundSettlements, OneOfAMessageTakesFiftyBytes) {
  constexpr std::uint32_t messages = 100'000;
  FoundSettlements settlements;
  const std::string body(18, 'b');
  for (std::uint32_t i = 0; i < messages; ++i) {
    settlements.add({i * 700, {1'000'000 + i, 3}, {90, i * 100}, true, body});
  }
  EXPECT_LE(settlements.memory(), 50u * messages);
}

}  // namespace brevdue::tests
