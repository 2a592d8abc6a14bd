// Flips, foreign pages, and truncations everywhere in a small environment. Values carry checksums,
// LMDB's own pages do not and are looked at before LMDB reads them: so no content is ever wrong, no
// message goes missing without a word, and a flip costs no more than the message it hits. Each case
// runs in a process of its own, which must not end by itself.
#include <fstream>
#include <functional>
#include <iterator>

#include <sys/wait.h>

#include "tests/lmdb/store_on_disk.h"

namespace brevdue::tests {

using queue::Location;

namespace {
// How a process that opened a damaged store ended.
enum class Verdict { fine, reported, lost_many, missing, wrong, crashed };

class LmdbDamage : public testing::Test {
 protected:
  void SetUp() override {
    backends::LmdbStore store(disk_.options());
    ASSERT_TRUE(store.start());
    for (std::uint64_t i = 1; i <= 6; ++i) {
      samples_.push_back(make_sample(i, i % 3 == 0 ? 300 : 4096, 3));
      const auto results = commit(store, {samples_.back().enqueue()});
      ASSERT_TRUE(results[0]);
      if (i % 3 != 0) continue;
      ASSERT_TRUE(commit(
          store, {queue::Settle{samples_.back().id, *results[0],
                                deferral(1, 1, mail::RecipientStatus::deferred, "451 x")}})[0]);
    }
  }

  // The file up to some way behind what LMDB uses; all after it is zeros.
  std::string read_file() const {
    std::ifstream in(disk_.data_file(), std::ios::binary);
    std::string whole{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    whole.resize((whole.find_last_not_of('\0') / 4096 + 4) * 4096);
    return whole;
  }

  Verdict look() const;
  // Writes `bytes` as the file and looks, in a child.
  Verdict verdict_of(const std::string& bytes) const;

  StoreOnDisk disk_;
  std::vector<Sample> samples_;
};

Verdict LmdbDamage::look() const {
  auto options = disk_.options();
  options.read_only = true;
  backends::LmdbStore store(options);
  if (!store.start()) return Verdict::reported;
  CollectingSink sink;
  bool reported = !store.recover(sink) || !sink.damaged.empty();
  std::size_t missing = 0;
  for (const Sample& sample : samples_) {
    const auto found = sink.messages.find(sample.id);
    if (found == sink.messages.end()) {
      ++missing;
      continue;
    }
    if (found->second.envelope.view() != sample.envelope.view()) return Verdict::wrong;
    const auto content = store.open(sample.id, found->second.location);
    reported = reported || !content;
    if (content && content->view() != sample.content.view()) return Verdict::wrong;
  }
  if (sink.messages.size() > samples_.size()) return Verdict::wrong;
  if (reported) return missing > 1 ? Verdict::lost_many : Verdict::reported;
  return missing > 0 ? Verdict::missing : Verdict::fine;
}

Verdict LmdbDamage::verdict_of(const std::string& bytes) const {
  std::ofstream(disk_.data_file(), std::ios::binary | std::ios::trunc) << bytes;
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(STDERR_FILENO);
    ::_exit(static_cast<int>(look()));
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) && WEXITSTATUS(status) <= 5 ? static_cast<Verdict>(WEXITSTATUS(status))
                                                       : Verdict::crashed;
}

class Tally {
 public:
  void add(Verdict verdict, const std::string& what) {
    ++counts_[verdict];
    EXPECT_TRUE(verdict == Verdict::fine || verdict == Verdict::reported ||
                verdict == Verdict::lost_many)
        << what << ": " << static_cast<int>(verdict);
  }
  int of(Verdict verdict) const {
    const auto at = counts_.find(verdict);
    return at == counts_.end() ? 0 : at->second;
  }
  std::string text() const {
    return "fine " + std::to_string(of(Verdict::fine)) + ", reported " +
           std::to_string(of(Verdict::reported)) + ", lost more than one " +
           std::to_string(of(Verdict::lost_many)) + ", missing " +
           std::to_string(of(Verdict::missing)) + ", wrong " + std::to_string(of(Verdict::wrong)) +
           ", process ended " + std::to_string(of(Verdict::crashed));
  }

 private:
  std::map<Verdict, int> counts_;
};
}  // namespace

TEST_F(LmdbDamage, FilesCutShort) {
  const std::string whole = read_file();
  Tally tally;
  for (std::size_t size = 0; size < whole.size(); size += 1024) {
    tally.add(verdict_of(whole.substr(0, size)), "cut to " + std::to_string(size));
  }
  EXPECT_GT(tally.of(Verdict::reported), 0);
  RecordProperty("tally", tally.text());
}

TEST_F(LmdbDamage, FlippedBytes) {
  const std::string whole = read_file();
  Tally tally;
  for (std::size_t at = 0; at < whole.size(); at += at % 4096 < 96 ? 5 : 251) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x11);
    tally.add(verdict_of(damaged), "flipped at " + std::to_string(at));
  }
  EXPECT_EQ(tally.of(Verdict::lost_many), 0);
  RecordProperty("tally", tally.text());
}

// As a drive misdirects a write, and as damage to a page number in a node looks.
TEST_F(LmdbDamage, PagesInOneAnothersPlace) {
  const std::string whole = read_file();
  Tally tally;
  for (std::size_t to = 0; to < whole.size(); to += 2 * 4096) {
    for (std::size_t from = 0; from < whole.size(); from += 3 * 4096) {
      if (from == to) continue;
      std::string damaged = whole;
      damaged.replace(to, 4096, whole, from, 4096);
      if ((from + to) / 4096 % 2 == 0) damaged.replace(from, 4096, whole, to, 4096);
      tally.add(verdict_of(damaged), std::to_string(from) + " over " + std::to_string(to));
    }
  }
  RecordProperty("tally", tally.text());
}

// Damage to a value under a running store is found by verify(), which says in which part.
TEST_F(LmdbDamage, VerificationFindsFlipsUnderARunningStore) {
  backends::LmdbStore store(disk_.options());
  CollectingSink sink;
  ASSERT_TRUE(store.start());
  ASSERT_TRUE(store.recover(sink));
  const Sample& sample = samples_[2];
  const Location location = sink.messages.at(sample.id).location;
  ASSERT_TRUE(store.verify(sample.id, location)->damage.empty());
  const std::string whole = read_file();
  const std::pair<std::string_view, queue::Damage::Part> cases[] = {
      {sample.envelope.view(), queue::Damage::Part::envelope},
      {sample.content.view(), queue::Damage::Part::content},
      {"451 x", queue::Damage::Part::settlement}};
  for (const auto& [needle, part] : cases) {
    const auto flip = [&, text = needle] {
      std::fstream file(disk_.data_file(), std::ios::binary | std::ios::in | std::ios::out);
      for (auto at = whole.find(text); at != std::string::npos; at = whole.find(text, at + 1)) {
        const std::size_t middle = at + text.size() / 2;
        file.seekg(static_cast<std::streamoff>(middle));
        const char flipped = static_cast<char>(file.get() ^ 0x10);
        file.seekp(static_cast<std::streamoff>(middle)).put(flipped);
      }
    };
    flip();
    const auto verified = store.verify(sample.id, location);
    ASSERT_TRUE(verified) << describe(verified.error());
    ASSERT_EQ(verified->damage.size(), 1u);
    EXPECT_EQ(verified->damage[0].part, part);
    EXPECT_TRUE(verified->damage[0].where.starts_with("lmdb/data.mdb at byte "));
    const auto stored = store.look_up(sample.id, location);
    if (part == queue::Damage::Part::envelope) {
      EXPECT_FALSE(stored);
    } else {
      EXPECT_EQ(stored->state_is_older, part == queue::Damage::Part::settlement);
    }
    flip();
    EXPECT_TRUE(store.verify(sample.id, location)->damage.empty());
  }
}

}  // namespace brevdue::tests
