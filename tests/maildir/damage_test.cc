// Flips and truncations everywhere in a message's file: an error, quarantine or a clean tail, never
// wrong content, and never a word against the message beside it.
#include <fstream>
#include <iterator>
#include <set>

#include <gmock/gmock.h>

#include "tests/maildir/spool.h"

namespace brevdue::backends {

namespace {
std::string read_whole(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void write_whole(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

class MaildirDamage : public testing::Test {
 protected:
  void SetUp() override {
    MaildirStore store(spool_.options());
    ASSERT_TRUE(store.start());
    const auto results =
        commit(store, {queue::Enqueue{victim_.id, victim_.envelope, victim_.content},
                       queue::Enqueue{other_.id, other_.envelope, other_.content}});
    ASSERT_TRUE(results[0] && results[1]);
    mail::Settlement settlement;
    for (std::uint32_t sequence = 1; sequence <= 2; ++sequence) {
      settlement.sequence = settlement.attempts = sequence;
      ASSERT_TRUE(commit(store, {queue::Settle{victim_.id, *results[0], settlement}})[0]);
    }
    whole_ = read_whole(file());
  }

  std::string file() const { return spool_.path() + "/" + victim_.id.text(); }

  // What must hold whatever the victim's file holds.
  void check(const std::string& damaged, const std::string& what) {
    write_whole(file(), damaged);
    Found found;
    MaildirStore store(spool_.options());
    ASSERT_TRUE(store.start()) << what;
    ASSERT_TRUE(store.recover(found)) << what;
    ASSERT_TRUE(found.messages.contains(other_.id)) << what;
    const auto beside = store.open(other_.id, found.messages.at(other_.id).location);
    ASSERT_TRUE(beside && beside->view() == other_.content.view()) << what;
    const auto at = found.messages.find(victim_.id);
    if (at == found.messages.end()) {
      EXPECT_FALSE(found.damaged.empty()) << what << ": gone without a word";
      EXPECT_EQ(read_whole(spool_.quarantine() + "/" + victim_.id.text()), damaged) << what;
      return;
    }
    EXPECT_TRUE(at->second.envelope.view() == victim_.envelope.view()) << what;
    EXPECT_LE(at->second.state.attempts, 2u) << what;
    const auto content = store.open(victim_.id, at->second.location);
    if (content) EXPECT_TRUE(content->view() == victim_.content.view()) << what;
  }

  TestSpool spool_;
  TestMessage victim_ = test_message(1, 300);
  TestMessage other_ = test_message(2, 300);
  std::string whole_;
};
}  // namespace

TEST_F(MaildirDamage, EveryTruncation) {
  for (std::size_t size = 0; size < whole_.size(); ++size) {
    check(whole_.substr(0, size), "cut to " + std::to_string(size));
  }
}

TEST_F(MaildirDamage, EveryByteFlipped) {
  for (std::size_t at = 0; at < whole_.size(); ++at) {
    std::string damaged = whole_;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x40);
    check(damaged, "flipped at " + std::to_string(at));
  }
}

TEST_F(MaildirDamage, ZeroedBlocks) {
  for (std::size_t at = 0; at < whole_.size(); at += 64) {
    std::string damaged = whole_;
    damaged.replace(at, std::min<std::size_t>(64, damaged.size() - at),
                    std::min<std::size_t>(64, damaged.size() - at), '\0');
    check(damaged, "zeroed at " + std::to_string(at));
  }
}

// An append that a cut interrupted: it must not hide the settlements that follow, nor vanish.
TEST_F(MaildirDamage, ATornSettlementIsKeptAsideAndTheNextIsFound) {
  const std::string torn = whole_.substr(whole_.size() - 40, 30);
  write_whole(file(), whole_ + torn);
  for (int round = 0; round < 2; ++round) {
    Found found;
    MaildirStore store(spool_.options());
    ASSERT_TRUE(store.start());
    ASSERT_TRUE(store.recover(found));
    const auto& message = found.messages.at(victim_.id);
    if (round == 1) {
      EXPECT_EQ(message.state.attempts, 3u);
      EXPECT_TRUE(found.damaged.empty());
      break;
    }
    EXPECT_EQ(message.state.attempts, 2u);
    EXPECT_EQ(found.damaged.size(), 1u);
    EXPECT_EQ(read_whole(spool_.quarantine() + "/" + victim_.id.text() + ".tail"), torn);
    mail::Settlement settlement;
    settlement.sequence = settlement.attempts = 3;
    ASSERT_TRUE(commit(store, {queue::Settle{victim_.id, message.location, settlement}})[0]);
  }
}

TEST_F(MaildirDamage, AStrangersFileIsSetAside) {
  write_whole(spool_.path() + "/notes.txt", "not a message");
  Found found;
  MaildirStore store(spool_.options());
  ASSERT_TRUE(store.start());
  ASSERT_TRUE(store.recover(found));
  EXPECT_EQ(found.messages.size(), 2u);
  ASSERT_EQ(found.damaged.size(), 1u);
  EXPECT_EQ(read_whole(spool_.quarantine() + "/notes.txt"), "not a message");
}

TEST_F(MaildirDamage, AnotherMessageUnderItsNameIsSetAside) {
  write_whole(file(), read_whole(spool_.path() + "/" + other_.id.text()));
  Found found;
  MaildirStore store(spool_.options());
  ASSERT_TRUE(store.start());
  ASSERT_TRUE(store.recover(found));
  EXPECT_EQ(found.messages.size(), 1u);
  EXPECT_EQ(found.damaged.size(), 1u);
}

// Damage under a running store, wherever it is, is found by verify(), and says in which part.
TEST_F(MaildirDamage, VerificationFindsEveryFlip) {
  MaildirStore store(spool_.options());
  Found found;
  ASSERT_TRUE(store.start());
  ASSERT_TRUE(store.recover(found));
  const auto& message = found.messages.at(victim_.id);
  std::set<queue::Damage::Part> parts;
  unsigned older = 0;
  for (std::size_t at = 0; at < whole_.size(); ++at) {
    std::string damaged = whole_;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x40);
    write_whole(file(), damaged);
    const auto verified = store.verify(victim_.id, message.location);
    ASSERT_TRUE(verified) << describe(verified.error());
    ASSERT_FALSE(verified->damage.empty()) << at;
    EXPECT_THAT(verified->damage[0].where, testing::StartsWith("maildir/" + victim_.id.text()));
    for (const queue::Damage& damage : verified->damage) parts.insert(damage.part);
    // Where nothing tells that there was one, it cannot be missed.
    const auto stored = store.look_up(victim_.id, message.location);
    if (stored && stored->state_is_older) ++older;
  }
  EXPECT_EQ(parts.size(), 3u);
  EXPECT_GT(older, 0u);
  write_whole(file(), whole_);
  EXPECT_FALSE(store.look_up(victim_.id, message.location)->state_is_older);
  write_whole(file(), whole_);
  EXPECT_TRUE(store.verify(victim_.id, message.location)->damage.empty());
  EXPECT_TRUE(store.verify(other_.id, found.messages.at(other_.id).location)->damage.empty());
}

}  // namespace brevdue::backends
