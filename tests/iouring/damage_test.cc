#include <cstring>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/crc32c.h"
#include "tests/iouring/log_model.h"
#include "tests/support/delivery_states.h"

namespace brevdue::tests {

namespace {
constexpr std::uint32_t segment_size = 64 * 1024;

backends::LogStoreOptions small_log(bool read_only) {
  backends::LogStoreOptions options;
  options.segment_size = segment_size;
  options.read_only = read_only;
  return options;
}

mail::Settlement deferral(std::uint32_t sequence) {
  mail::Settlement settlement;
  settlement.sequence = sequence;
  settlement.attempts = sequence;
  settlement.results = {{0, mail::RecipientStatus::deferred, "451 4.4.1 later"}};
  return settlement;
}

// A log of four segments with messages, settlements and tombstones; its last batch is empty, so
// that nothing can be cut off its end unnoticed.
class LogDamage : public testing::Test {
 protected:
  static constexpr std::size_t per_batch = 3;

  void SetUp() override {
    std::vector<std::pair<mail::QueueId, queue::Location>> known;
    {
      backends::LogStore store(small_log(false), disk_.device());
      ASSERT_TRUE(store.start());
      std::uint64_t number = 0;
      for (int batch = 0; batch < 14; ++batch) {
        queue::Batch mutations;
        for (std::size_t i = 0; i < per_batch; ++i) {
          const mail::QueueId id(++number);
          sizes_[id] = number % 5 == 0 ? 9000 : number * 71 % 1500;
          mutations.push_back(queue::Enqueue{id, envelope_of(id), content_of(id, sizes_[id])});
        }
        if (known.size() > 8) {
          mutations.push_back(queue::Settle{known[1].first, known[1].second, deferral(1)});
          mutations.push_back(queue::Discard{known[0].first, known[0].second});
          known.erase(known.begin());
        }
        const auto results = commit(store, mutations);
        for (std::size_t i = 0; i < per_batch; ++i) {
          ASSERT_TRUE(results[i]);
          known.emplace_back(std::get<queue::Enqueue>(mutations[i]).id, *results[i]);
        }
      }
    }
    {
      backends::LogStore store(small_log(false), disk_.device());
      ASSERT_TRUE(store.start());
    }
    std::string complaint;
    clean_ = recover(complaint, true);
    ASSERT_EQ(complaint, "");
    ASSERT_EQ(clean_.messages.size(), known.size());
    ASSERT_TRUE(clean_.damage.empty());
    whole_ = disk_.segments();
  }

  // Whatever is reported must be right, also its content or that it is damaged.
  Recovered recover(std::string& complaint, bool read_only) {
    backends::LogStore store(small_log(read_only), disk_.device());
    Recovered recovered;
    if (const auto started = store.start(); !started) {
      complaint = "start: " + describe(started.error());
      return recovered;
    }
    if (const auto done = store.recover(recovered); !done) complaint = describe(done.error());
    if (recovered.twice > 0) complaint = "reported twice";
    for (const auto& [id, message] : recovered.messages) {
      if (!sizes_.contains(id)) {
        complaint = "a message that never was";
      } else if (message.envelope.view() != envelope_of(id).view()) {
        complaint = "another envelope";
      } else if (message.state.sequence > 1) {
        complaint = "another state";
      } else if (const auto content = store.open(id, message.location)) {
        if (content->view() != content_of(id, sizes_[id]).view()) complaint = "another content";
      } else if (content.error().code != ErrorCode::corrupt) {
        complaint = "open: " + describe(content.error());
      }
    }
    return recovered;
  }

  void expect_clean_or_reported(const Recovered& recovered, const std::string& where,
                                std::size_t lost_max) {
    std::size_t missing = 0;
    for (const auto& [id, message] : clean_.messages) {
      const auto at = recovered.messages.find(id);
      missing += at == recovered.messages.end() ? 1 : 0;
      if (recovered.damage.empty() && at != recovered.messages.end()) {
        EXPECT_TRUE(is_same_but_for_replies(at->second.state, message.state)) << where;
      }
    }
    EXPECT_LE(missing, lost_max) << where;
    if (recovered.damage.empty()) {
      EXPECT_EQ(missing, 0u) << where;
      EXPECT_EQ(recovered.messages.size(), clean_.messages.size()) << where;
    }
  }

  SimulatedDisk disk_{1};
  std::map<mail::QueueId, std::size_t> sizes_;
  Recovered clean_;
  std::map<std::uint32_t, std::string> whole_;
};
}  // namespace

TEST_F(LogDamage, FlipsEverywhere) {
  unsigned cases = 0;
  unsigned reported = 0;
  for (const auto& [number, bytes] : whole_) {
    for (std::size_t at = 0; at < bytes.size(); at += at % 4096 < 140 ? 1 : 29) {
      // What is blank is covered by a few.
      if (bytes[at] == 0 && at % 512 > 3) continue;
      disk_.segments()[number][at] = static_cast<char>(bytes[at] ^ (1 << at % 8));
      std::string complaint;
      const Recovered recovered = recover(complaint, true);
      const std::string where = std::to_string(number) + " at " + std::to_string(at);
      ASSERT_EQ(complaint, "") << where;
      expect_clean_or_reported(recovered, where, per_batch);
      disk_.segments()[number][at] = bytes[at];
      ++cases;
      reported += recovered.damage.empty() ? 0 : 1;
    }
  }
  std::printf("%u flips, %u reported\n", cases, reported);
  EXPECT_GT(reported, 100u);
}

TEST_F(LogDamage, BlocksOfZerosAndOfNoise) {
  std::mt19937_64 random(5);
  for (const auto& [number, bytes] : whole_) {
    for (std::size_t at = 0; at < bytes.size(); at += 4096) {
      // Both copies of a header gone at once are another matter, below.
      for (const bool noise : {false, true}) {
        std::string block(4096, '\0');
        if (noise) {
          for (char& byte : block) byte = static_cast<char>(random());
        }
        disk_.segments()[number].replace(at, block.size(), block);
        std::string complaint;
        const Recovered recovered = recover(complaint, true);
        const std::string where = std::to_string(number) + " at " + std::to_string(at);
        ASSERT_EQ(complaint, "") << where;
        expect_clean_or_reported(recovered, where, per_batch);
        disk_.segments()[number] = bytes;
      }
    }
  }
}

TEST_F(LogDamage, CutAnywhere) {
  for (const auto& [number, bytes] : whole_) {
    for (std::size_t size = 0; size < bytes.size(); size += size % 8192 == 0 ? 700 : 3396) {
      disk_.segments()[number].resize(size);
      std::string complaint;
      const Recovered recovered = recover(complaint, true);
      ASSERT_EQ(complaint, "") << number << " cut to " << size;
      expect_clean_or_reported(recovered, "cut to " + std::to_string(size), 45);
      disk_.segments()[number] = bytes;
    }
  }
}

// Damage is copied to the quarantine, the rest is used, and the log goes on.
TEST_F(LogDamage, TheLogGoesOnBesideTheDamage) {
  for (const auto& [number, bytes] : whole_) {
    for (const std::size_t at : {100u, 8192u + 20, 8192u + 100, 20'000u, 61'440u + 10}) {
      disk_.segments() = whole_;
      disk_.quarantine().clear();
      disk_.segments()[number][at] = static_cast<char>(bytes[at] ^ 0x20);
      if (at == 100) disk_.segments()[number].resize(30'000);
      std::string complaint;
      const Recovered first = recover(complaint, false);
      ASSERT_EQ(complaint, "");
      std::size_t copies = 0;
      for (const auto& damage : first.damage) {
        const bool only_told = damage.why.starts_with("cut from");
        copies += only_told || disk_.quarantine().contains(damage.where) ? 1 : 0;
      }
      EXPECT_EQ(copies, first.damage.size());
      const mail::QueueId id(1000);
      sizes_[id] = 500;
      {
        backends::LogStore store(small_log(false), disk_.device());
        ASSERT_TRUE(store.start());
        Recovered again;
        ASSERT_TRUE(store.recover(again));
        EXPECT_EQ(again.messages.size(), first.messages.size());
        ASSERT_TRUE(commit(store, {queue::Enqueue{id, envelope_of(id), content_of(id, 500)}})[0]);
      }
      const Recovered last = recover(complaint, false);
      ASSERT_EQ(complaint, "");
      EXPECT_EQ(last.messages.size(), first.messages.size() + 1);
      EXPECT_TRUE(last.messages.contains(id));
    }
  }
}

TEST_F(LogDamage, ASegmentWithoutHeadersIsSetAside) {
  const auto number = whole_.begin()->first;
  disk_.segments()[number][4] ^= 1;
  std::string& segment = disk_.segments()[number];
  segment[4096 + 30] ^= 1;
  for (std::size_t at = 8192; at < segment.size(); at += 4096) segment[at + 20] ^= 1;
  std::string complaint;
  const Recovered recovered = recover(complaint, false);
  EXPECT_EQ(complaint, "");
  ASSERT_EQ(recovered.damage.size(), 1u);
  EXPECT_EQ(disk_.quarantine().at(recovered.damage[0].where).size(), segment_size);
  EXPECT_FALSE(disk_.segments().contains(number));
  EXPECT_GT(recovered.messages.size(), 0u);
}

// The first batch says what both copies of the header said.
TEST_F(LogDamage, BothCopiesOfAHeaderCostNothing) {
  for (const auto& [number, bytes] : whole_) {
    if (bytes.starts_with(std::string(8, '\0'))) continue;
    for (const bool zeroed : {false, true}) {
      for (const std::size_t copy : {0u, 4096u}) {
        std::string& segment = disk_.segments()[number];
        if (zeroed) segment.replace(copy, 512, 512, '\0');
        if (!zeroed) segment[copy + 24] = static_cast<char>(segment[copy + 24] ^ 1);
      }
      for (const bool read_only : {true, false}) {
        std::string complaint;
        const Recovered recovered = recover(complaint, read_only);
        EXPECT_EQ(complaint, "") << number;
        EXPECT_EQ(recovered.messages.size(), clean_.messages.size()) << number;
        ASSERT_EQ(recovered.damage.size(), 1u) << number;
        EXPECT_TRUE(recovered.damage[0].why.starts_with("both copies of its header"));
      }
      // It was written again.
      std::string complaint;
      EXPECT_TRUE(recover(complaint, true).damage.empty());
      disk_.segments() = whole_;
    }
  }
}

// Nor does the first batch beside them, if another one can be read.
TEST_F(LogDamage, BothCopiesOfAHeaderAndTheFirstBatchCostNoMore) {
  std::string& segment = disk_.segments().begin()->second;
  const std::string before = segment;
  for (const bool zeroed : {false, true}) {
    for (const std::size_t at : {0u, 4096u, 8192u}) {
      if (zeroed) segment.replace(at, 512, 512, '\0');
      if (!zeroed) segment[at + 24] = static_cast<char>(segment[at + 24] ^ 1);
    }
    std::string complaint;
    const Recovered recovered = recover(complaint, true);
    EXPECT_EQ(complaint, "");
    EXPECT_GE(recovered.messages.size() + per_batch, clean_.messages.size());
    EXPECT_GE(recovered.damage.size(), 2u);
    segment = before;
  }
}

// Of an earlier version, which left no mark in segments that it gave up.
TEST_F(LogDamage, ABlankSegmentBeforeBatchesWithoutTheFlagIsBlank) {
  std::string& segment = disk_.segments().begin()->second;
  std::string complaint;
  for (std::size_t at = 8192; at < segment.size(); at += 4096) {
    if (segment.substr(at, 4) != "BRVB") continue;
    std::uint64_t salt = 0;
    std::memcpy(&salt, segment.data() + at + 16, sizeof salt);
    segment[at + 56] = 0;
    const std::uint32_t crc = crc32c(std::string_view(segment).substr(at, 68),
                                     static_cast<std::uint32_t>(salt ^ (salt >> 32)));
    std::memcpy(segment.data() + at + 68, &crc, sizeof crc);
  }
  EXPECT_EQ(recover(complaint, true).messages.size(), clean_.messages.size());
  segment.replace(0, 8192, 8192, '\0');
  const Recovered recovered = recover(complaint, true);
  EXPECT_EQ(complaint, "");
  EXPECT_LT(recovered.messages.size(), clean_.messages.size());
  for (const auto& damage : recovered.damage) {
    EXPECT_FALSE(damage.why.starts_with("both copies")) << damage.where;
  }
}

// Records are found by their own checksums, so that the header of their batch, or of the record in
// front of them, costs nothing but what was hit.
TEST_F(LogDamage, DamageToOneHeaderCostsNoNeighbour) {
  std::size_t batches = 0;
  for (const auto& [number, bytes] : whole_) {
    for (std::size_t at = 8192; at + 4096 < bytes.size(); at += 4096) {
      if (bytes.substr(at, 4) != "BRVB") continue;
      ++batches;
      disk_.segments()[number][at + 30] = static_cast<char>(bytes[at + 30] ^ 1);
      std::string complaint;
      const Recovered headless = recover(complaint, true);
      EXPECT_EQ(complaint, "") << number << " at " << at;
      EXPECT_EQ(headless.messages.size(), clean_.messages.size()) << number << " at " << at;
      disk_.segments()[number][at + 72 + 10] = static_cast<char>(bytes[at + 72 + 10] ^ 1);
      const Recovered beheaded = recover(complaint, true);
      EXPECT_EQ(complaint, "") << number << " at " << at;
      EXPECT_GE(beheaded.messages.size() + 1, clean_.messages.size()) << number << " at " << at;
      disk_.segments()[number] = bytes;
    }
  }
  EXPECT_GT(batches, 12u);
}

// After an orderly stop nothing that was acknowledged can be taken for a log that was cut off.
TEST_F(LogDamage, TheLastBatchOfAnOrderlyStopIsNotCutOff) {
  const mail::QueueId id(1000);
  {
    backends::LogStore store(small_log(false), disk_.device());
    ASSERT_TRUE(store.start());
    ASSERT_TRUE(commit(store, {queue::Enqueue{id, envelope_of(id), content_of(id, 700)}})[0]);
  }
  std::size_t hits = 0;
  for (auto& [number, bytes] : disk_.segments()) {
    const auto at = bytes.find(envelope_of(id).view());
    if (at == std::string::npos) continue;
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
    ++hits;
  }
  ASSERT_EQ(hits, 1u);
  std::string complaint;
  const Recovered recovered = recover(complaint, true);
  EXPECT_EQ(complaint, "");
  EXPECT_FALSE(recovered.messages.contains(id));
  ASSERT_EQ(recovered.damage.size(), 1u);
  EXPECT_NE(recovered.damage[0].why.find(id.text()), std::string::npos);
}

TEST_F(LogDamage, ANewerVersionIsRefused) {
  const auto number = whole_.begin()->first;
  backends::SegmentHeader header;
  header.number = number;
  header.size = segment_size;
  header.generation = 50;
  std::string area = backends::encode(header);
  area[4] = 2;  // the version; the checksum is made to match below
  std::string raw = area.substr(0, 44);
  const std::uint32_t crc = crc32c(raw);
  for (const std::size_t copy : {0u, 4096u}) {
    area[copy + 4] = 2;
    std::memcpy(area.data() + copy + 44, &crc, sizeof crc);
  }
  disk_.segments()[number].replace(0, area.size(), area);
  backends::LogStore store(small_log(false), disk_.device());
  const auto started = store.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, ErrorCode::unsupported);
}

TEST_F(LogDamage, ABlockThatCannotBeReadCostsItsBatchOnly) {
  for (const auto& [number, bytes] : whole_) {
    if (bytes.substr(8192, 4) != "BRVB") continue;
    for (std::size_t at = 8192; at < 40'960; at += 4096) {
      SimulatedDisk disk(3);
      disk.segments() = whole_;
      disk.make_unreadable(number, at);
      backends::LogStore store(small_log(false), disk.device());
      ASSERT_TRUE(store.start());
      Recovered recovered;
      ASSERT_TRUE(store.recover(recovered));
      expect_clean_or_reported(recovered, "bad block", per_batch);
    }
  }
}

// Whatever is flipped under a running store: verify() reads it from the disk again and finds it.
TEST_F(LogDamage, VerificationFindsFlipsUnderARunningStore) {
  backends::LogStore store(small_log(false), disk_.device());
  Recovered recovered;
  ASSERT_TRUE(store.start());
  ASSERT_TRUE(store.recover(recovered));
  std::size_t damaged = 0;
  const auto verify_all = [&] {
    damaged = 0;
    for (const auto& [id, message] : recovered.messages) {
      const auto verified = store.verify(id, message.location);
      ASSERT_TRUE(verified) << describe(verified.error());
      if (!verified->damage.empty()) ++damaged;
      for (const auto& damage : verified->damage) {
        EXPECT_TRUE(damage.where.starts_with("iouring/segment-0000000")) << damage.where;
      }
    }
  };
  verify_all();
  EXPECT_EQ(damaged, 0u);
  const auto& [id, message] = *recovered.messages.begin();
  const std::string_view needle = message.envelope.view();
  std::size_t places = 0;
  for (auto& [number, bytes] : disk_.segments()) {
    const auto at = bytes.find(needle);
    if (at == std::string::npos) continue;
    // Header, envelope, content of its record.
    for (const std::size_t victim : {at - 20, at + 3, at + needle.size() + 5}) {
      bytes[victim] = static_cast<char>(bytes[victim] ^ 0x20);
      verify_all();
      EXPECT_EQ(damaged, 1u) << victim;
      bytes[victim] = static_cast<char>(bytes[victim] ^ 0x20);
      ++places;
    }
  }
  EXPECT_GE(places, 3u);
  verify_all();
  EXPECT_EQ(damaged, 0u);
}

// What is left out of a state is not passed over in silence.
TEST_F(LogDamage, ASettlementThatIsLeftOutIsTold) {
  const mail::QueueId id(1000);
  backends::LogStore store(small_log(false), disk_.device());
  Recovered recovered;
  ASSERT_TRUE(store.start());
  ASSERT_TRUE(store.recover(recovered));
  const auto location =
      commit(store, {queue::Enqueue{id, envelope_of(id), content_of(id, 700)}})[0].value();
  EXPECT_FALSE(store.look_up(id, location)->state_is_older);
  mail::Settlement settlement;
  settlement.sequence = settlement.attempts = 1;
  settlement.results = {{0, mail::RecipientStatus::relayed, "250 told apart"}};
  ASSERT_TRUE(commit(store, {queue::Settle{id, location, settlement}})[0]);
  EXPECT_FALSE(store.look_up(id, location)->state_is_older);
  EXPECT_EQ(store.look_up(id, location)->state.sequence, 1u);
  for (auto& [number, bytes] : disk_.segments()) {
    const auto at = bytes.find("250 told apart");
    if (at != std::string::npos) bytes[at] = static_cast<char>(bytes[at] ^ 1);
  }
  ASSERT_EQ(store.verify(id, location)->damage.size(), 1u);
  const auto stored = store.look_up(id, location);
  ASSERT_TRUE(stored);
  EXPECT_TRUE(stored->state_is_older);
  EXPECT_EQ(stored->state.sequence, 0u);
}

// So it is of a state that several settlements make: one in the middle that is damaged, or all of
// a segment that cannot be read. Damage that hides none of them changes nothing.
TEST_F(LogDamage, AGatheredStateThatMissesOneIsTold) {
  const mail::QueueId id(1000);
  backends::LogStore store(small_log(false), disk_.device());
  Recovered recovered;
  ASSERT_TRUE(store.start());
  ASSERT_TRUE(store.recover(recovered));
  const auto location = commit(store, {queue::Enqueue{id, envelope_of(id), content_of(id, 700)},
                                       queue::Enqueue{mail::QueueId(1001), envelope_of(id),
                                                      SharedBytes("content of another")}})[0]
                            .value();
  for (const std::uint32_t sequence : {1u, 2u, 3u}) {
    mail::Settlement settlement = deferral(sequence);
    settlement.results[0].reply = fmt::format("451 gathered {}", sequence);
    ASSERT_TRUE(commit(store, {queue::Settle{id, location, settlement}})[0]);
  }
  const auto is_older = [&] { return store.look_up(id, location).value().state_is_older; };
  EXPECT_FALSE(is_older());
  const auto damage = [&](const std::string& text) {
    for (auto& [number, bytes] : disk_.segments()) {
      const auto at = bytes.find(text);
      if (at != std::string::npos) bytes[at] = static_cast<char>(bytes[at] ^ 1);
    }
  };
  damage("content of another");
  EXPECT_FALSE(is_older());
  damage("451 gathered 2");
  EXPECT_TRUE(is_older());
  EXPECT_EQ(store.look_up(id, location)->state.sequence, 3u);
  disk_.fail_all_reads(true);
  EXPECT_TRUE(is_older());
  EXPECT_EQ(store.look_up(id, location)->state.sequence, 0u);
}

}  // namespace brevdue::tests
